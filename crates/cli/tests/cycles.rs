//! No import cycles: the modules of a crate, a file each, stand above one another, and what one imports lies below it.
//!
//! An edge is a `use` or a path in code, to the file that defines what is named: re-exports are looked through. `mod x;`, tests and
//! re-exports of the crate's root are no edges.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, UseTree, Visibility};

/// Texts by path from the folder of a crate's root.
type Files = BTreeMap<String, String>;
/// From one file to another, and a path that leads there.
type Edges = BTreeMap<String, BTreeMap<String, String>>;

/// What a name stands for in a module.
enum Name {
    /// The module of that path.
    Module(String),
    /// Something that is defined there; what follows it in a path belongs to it.
    Item,
    /// A function or constant that is defined there, which nothing can follow.
    Value,
    /// What a `use` names.
    Import(Vec<String>),
}

/// A module, with a file of its own or inline.
#[derive(Default)]
struct Module {
    file: String,
    names: BTreeMap<String, Vec<Name>>,
    globs: Vec<Vec<String>>,
}

/// All modules of a crate by path, `crate::rules::rec_lra` say, and its files.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<String, Module>,
    parsed: Vec<(String, syn::File)>,
}

/// Whether something is there in tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|a| match &a.meta {
        Meta::List(list) if a.path().is_ident("cfg") => {
            let tokens = list.tokens.to_string().replace(' ', "");
            tokens == "test" || tokens.starts_with("all(test,")
        }
        meta => meta.path().is_ident("test"),
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

/// The paths of a `use`, each with the name that it gives, or `*`.
fn leaves(tree: &UseTree, above: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let with = |last: &syn::Ident| [above, &[last.to_string()]].concat();
    match tree {
        UseTree::Path(part) => leaves(&part.tree, &with(&part.ident), found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, above, found)),
        UseTree::Glob(_) => found.push((above.to_vec(), "*".to_owned())),
        UseTree::Name(name) if name.ident == "self" => {
            found.push((above.to_vec(), above.last().cloned().unwrap_or_default()));
        }
        UseTree::Name(name) => found.push((with(&name.ident), name.ident.to_string())),
        UseTree::Rename(name) if name.ident == "self" => found.push((above.to_vec(), name.rename.to_string())),
        UseTree::Rename(name) => found.push((with(&name.ident), name.rename.to_string())),
    }
}

fn paths_of(item: &syn::ItemUse) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    if item.leading_colon.is_none() {
        leaves(&item.tree, &[], &mut found);
    }
    found
}

impl Crate {
    fn read(files: &Files) -> Crate {
        let mut all = Crate::default();
        let root = ["lib.rs", "main.rs"].into_iter().find(|name| files.contains_key(*name)).expect("a root");
        all.file("crate", root, files);
        all
    }

    fn file(&mut self, module: &str, name: &str, files: &Files) {
        let parsed = syn::parse_file(&files[name]).unwrap_or_else(|e| panic!("{name}: {e}"));
        self.module(module, name, &parsed.items, files);
        self.parsed.push((module.to_owned(), parsed));
    }

    fn module(&mut self, module: &str, file: &str, items: &[Item], files: &Files) {
        let mut found = Module { file: file.to_owned(), ..Module::default() };
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            let defined = match item {
                Item::Const(i) => &i.ident,
                Item::Enum(i) => &i.ident,
                Item::Fn(i) => &i.sig.ident,
                Item::Static(i) => &i.ident,
                Item::Struct(i) => &i.ident,
                Item::Trait(i) => &i.ident,
                Item::Type(i) => &i.ident,
                Item::Union(i) => &i.ident,
                Item::Mod(i) => {
                    let path = format!("{module}::{}", i.ident);
                    match &i.content {
                        Some((_, items)) => self.module(&path, file, items, files),
                        None => {
                            // Beside the root or a mod.rs, else in the folder of the file's name.
                            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                            let is_root = ["lib.rs", "main.rs"].contains(&file) || file.ends_with("mod.rs");
                            let folder = if is_root { folder } else { file.trim_end_matches(".rs") };
                            let near = |name: &str| format!("{folder}/{}{name}", i.ident).trim_matches('/').to_owned();
                            let child = [near(".rs"), near("/mod.rs")].into_iter().find(|p| files.contains_key(p));
                            self.file(&path, &child.unwrap_or_else(|| panic!("{file}: no file of {path}")), files);
                        }
                    }
                    found.names.entry(i.ident.to_string()).or_default().push(Name::Module(path));
                    continue;
                }
                Item::Use(i) => {
                    for (path, name) in paths_of(i) {
                        if name == "*" {
                            found.globs.push(path);
                        } else {
                            found.names.entry(name).or_default().push(Name::Import(path));
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            let is_value = matches!(item, Item::Const(_) | Item::Fn(_) | Item::Static(_));
            let name = if is_value { Name::Value } else { Name::Item };
            found.names.entry(defined.to_string()).or_default().push(name);
        }
        self.modules.insert(module.to_owned(), found);
    }

    /// The modules that define what a path names, seen from a module; and whether it names the module itself.
    fn resolve(&self, from: &str, path: &[String], depth: usize) -> Vec<(&str, bool)> {
        let Some((key, module)) = self.modules.get_key_value(from).filter(|_| depth < 12) else { return Vec::new() };
        let [first, rest @ ..] = path else { return vec![(key, true)] };
        match first.as_str() {
            "crate" => return self.resolve("crate", rest, depth + 1),
            "self" => return self.resolve(from, rest, depth + 1),
            "super" => return self.resolve(from.rsplit_once("::").map_or("crate", |(up, _)| up), rest, depth + 1),
            _ => {}
        }
        let mut found = Vec::new();
        for name in module.names.get(first).into_iter().flatten() {
            match name {
                Name::Module(path) => found.extend(self.resolve(path, rest, depth + 1)),
                Name::Item => found.push((key.as_str(), false)),
                Name::Value if rest.is_empty() => found.push((key.as_str(), false)),
                Name::Value => {}
                Name::Import(path) => found.extend(self.resolve(from, &[path, rest].concat(), depth + 1)),
            }
        }
        if found.is_empty() {
            let into = module.globs.iter().flat_map(|glob| self.resolve(from, glob, depth + 1));
            found.extend(into.filter(|m| m.1 && m.0 != from).flat_map(|m| self.resolve(m.0, path, depth + 1)));
        }
        found
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (module, file) in &self.parsed {
            edges.entry(self.modules[module].file.clone()).or_default();
            Paths { all: self, module: module.clone(), edges: &mut edges }.visit_file(file);
        }
        edges
    }
}

/// Collects the edges of a module's code.
struct Paths<'a> {
    all: &'a Crate,
    module: String,
    edges: &'a mut Edges,
}

impl Paths<'_> {
    fn add(&mut self, path: &[String], is_use: bool) {
        let file = |module: &str| self.all.modules[module].file.clone();
        let from = file(&self.module);
        for (module, whole) in self.all.resolve(&self.module, path, 0) {
            // A variable may have the name of a module; a module alone is no expression.
            if file(module) != from && (is_use || !whole) {
                let to = self.edges.entry(from.clone()).or_default();
                to.entry(file(module)).or_insert_with(|| path.join("::"));
            }
        }
    }

    /// Paths in the tokens of macros and attributes.
    fn text(&mut self, tokens: &str) {
        let text = tokens.replace(" :: ", "::").replace(":: ", "::").replace("$ crate", "crate");
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
        for path in words.filter(|word| word.contains("::")) {
            self.add(&path.trim_matches(':').split("::").map(str::to_owned).collect::<Vec<_>>(), false);
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let inside = format!("{}::{}", self.module, item.ident);
        let outside = std::mem::replace(&mut self.module, inside);
        visit::visit_item_mod(self, item);
        self.module = outside;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if self.module != "crate" || matches!(item.vis, Visibility::Inherited) {
            paths_of(item).iter().for_each(|(path, _)| self.add(path, true));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.add(&path.segments.iter().map(|s| s.ident.to_string()).collect::<Vec<_>>(), false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.text(&call.tokens.to_string());
        self.visit_path(&call.path);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.text(&list.tokens.to_string());
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// The shortest way along edges from one file to another, one step at least.
fn way(edges: &Edges, from: &str, to: &str) -> Option<Vec<String>> {
    let mut before = BTreeMap::new();
    let mut next = VecDeque::from([from.to_owned()]);
    while let Some(file) = next.pop_front() {
        for target in edges.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if before.contains_key(target) {
                continue;
            }
            before.insert(target.clone(), file.clone());
            if target == to {
                let mut steps = vec![to.to_owned()];
                while steps.len() == 1 || steps[steps.len() - 1] != from {
                    steps.push(before[&steps[steps.len() - 1]].clone());
                }
                steps.reverse();
                return Some(steps);
            }
            next.push_back(target.clone());
        }
    }
    None
}

/// Every knot of files that import each other in circles, in words: its files, and one circle with an edge for each step.
fn knots(files: &Files) -> Vec<String> {
    let edges = Crate::read(files).edges();
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for file in edges.keys() {
        let Some(circle) = way(&edges, file, file).filter(|_| !seen.contains(file)) else { continue };
        let back = |other: &&String| way(&edges, file, other).is_some() && way(&edges, other, file).is_some();
        let knot: Vec<&str> = edges.keys().filter(back).map(String::as_str).collect();
        seen.extend(knot.iter().map(|&f| f.to_owned()));
        let steps = circle.windows(2).map(|s| format!("\n    {} -> {}: {}", s[0], s[1], edges[&s[0]][&s[1]]));
        found.push(format!("{} files: {}{}", knot.len(), knot.join(", "), steps.collect::<String>()));
    }
    found
}

#[test]
fn modules_have_no_import_cycles() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut wrong = Vec::new();
    for folder in fs::read_dir(crates).unwrap().map(|e| e.unwrap().path()) {
        let (mut files, mut folders) = (Files::new(), vec![folder.join("src")]);
        while let Some(next) = folders.pop() {
            for path in fs::read_dir(next).unwrap().map(|e| e.unwrap().path()) {
                let name = path.strip_prefix(folder.join("src")).unwrap().to_str().unwrap().replace('\\', "/");
                if path.is_dir() {
                    folders.push(path);
                } else if name.ends_with(".rs") {
                    files.insert(name, fs::read_to_string(path).unwrap());
                }
            }
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        wrong.extend(knots(&files).iter().map(|knot| format!("{name}: {knot}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A crate of these files.
fn made_up(files: &[(&str, &str)]) -> Vec<String> {
    knots(&files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
}

#[test]
fn a_cycle_through_a_re_export_is_found() {
    let found = made_up(&[
        ("lib.rs", "mod facade; mod a; mod c; pub use a::A;"),
        ("facade.rs", "mod b; pub(crate) use b::*;"),
        ("facade/b.rs", "pub struct B(Box<crate::A>);"),
        ("a.rs", "use crate::facade::B; use crate::c::C; pub struct A(B, C);"),
        ("c.rs", "pub struct C;"),
    ]);
    let text =
        "2 files: a.rs, facade/b.rs\n    a.rs -> facade/b.rs: crate::facade::B\n    facade/b.rs -> a.rs: crate::A";
    assert_eq!(found, [text]);
}

#[test]
fn a_cycle_through_an_attribute_and_a_macro_is_found() {
    let found = made_up(&[
        ("main.rs", "mod a; mod b { pub mod inner { pub fn f() { println!(\"{}\", super::super::a::one()) } } }"),
        ("a.rs", "#[arg(parser = crate::b::inner::f)] pub fn one() -> u8 { vec![super::two::<u8>()]; 1 }"),
    ]);
    assert_eq!(
        found,
        ["2 files: a.rs, main.rs\n    a.rs -> main.rs: crate::b::inner::f\n    main.rs -> a.rs: super::super::a::one"]
    );
}

#[test]
fn what_is_no_cycle_is_not_called_one() {
    let found = made_up(&[
        ("lib.rs", "mod base; mod top; mod deep; pub use top::Top; pub use base::Base;"),
        ("base.rs", "pub struct Base; pub(crate) fn top() {} #[cfg(test)] mod tests { use crate::Top; }"),
        ("top.rs", "use super::Base; pub struct Top(Base); pub(crate) fn deep() { let base = 1; drop(base) }"),
        ("deep/mod.rs", "mod under; use crate::top::deep; pub(in crate::deep) fn f() { deep() }"),
        ("deep/under.rs", "#[test] fn t() { super::f() } use std::fmt; fn g() -> fmt::Result { Ok(()) }"),
    ]);
    assert_eq!(found, [""; 0]);
}
