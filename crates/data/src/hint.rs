//! Suggestions for words that are not known.

/// Words that one hint names at most.
const MOST: usize = 6;
/// Letters from which on a word is taken for the beginning of another one.
const BEGINNING: usize = 3;

/// `, did you mean X?`, of several words `, did you mean X, Y or Z?`, or nothing. First come words of which the last part is the one
/// written (`lr` for `optim.lr`), then those that begin with it, then the nearest by letters.
#[must_use]
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    let mut found = Vec::new();
    for &k in candidates(word, known).iter() {
        if !found.contains(&k) {
            found.push(k);
        }
    }
    let quoted: Vec<String> = found.iter().map(|k| format!("`{k}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => format!(", did you mean {one}?"),
        [some @ .., last] => format!(", did you mean {} or {last}?", some.join(", ")),
    }
}

/// The part after the last dot: a key without its section, or in a wrong one, is still that key.
fn last(word: &str) -> &str {
    word.rsplit('.').next().unwrap_or(word)
}

fn candidates<'a>(word: &str, known: &[&'a str]) -> Vec<&'a str> {
    let lower = word.to_lowercase();
    let those = |like: &dyn Fn(&str) -> bool| -> Vec<&'a str> { known.iter().copied().filter(|k| like(k)).collect() };
    let begins = |k: &str, with: &str| with.chars().count() >= BEGINNING && k.starts_with(with);
    let ways: [&dyn Fn(&str) -> bool; 4] = [
        &|k| k.to_lowercase() == lower,
        &|k| last(k) == last(&lower) && k.contains('.'),
        &|k| begins(k, &lower),
        &|k| k.contains('.') && begins(last(k), last(&lower)),
    ];
    let near = ways.into_iter().map(those).find(|found| !found.is_empty()).unwrap_or_default();
    if (1..=MOST).contains(&near.len()) {
        return near;
    }
    let section = |key: &str| key.rsplit_once('.').map(|(section, _)| section.to_owned());
    // Where the section is right, only the name in it can be wrong: the section's letters make nothing alike.
    let within = section(word).is_some() && known.iter().any(|k| section(word) == section(k));
    let likeness = |k: &str| {
        let name = strsim::jaro_winkler(last(word), last(k));
        match within {
            true if section(word) != section(k) => 0.0,
            true => name,
            false => strsim::jaro_winkler(word, k).max(name * 0.97),
        }
    };
    let best = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    best.filter(|k| likeness(k) > 0.72).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_come_before_likeness() {
        let experiments = ["table1-mnist", "table1-fmnist", "cifar10", "cifar10-long", "table2", "table3"];
        for (word, want) in [
            ("table1", ", did you mean `table1-mnist` or `table1-fmnist`?"),
            ("Cifar", ", did you mean `cifar10` or `cifar10-long`?"),
            ("CIFAR10", ", did you mean `cifar10`?"),
            ("tabel2", ", did you mean `table2`?"),
            ("xyz", ""),
        ] {
            assert_eq!(did_you_mean(word, &experiments), want, "{word}");
        }
        let keys = ["optim.lr", "optim.beta1", "optim.beta2", "rule.beta", "net.arch"];
        for (word, want) in [
            ("lr", ", did you mean `optim.lr`?"),
            ("beta", ", did you mean `rule.beta`?"),
            ("optim.beta", ", did you mean `rule.beta`?"),
            ("optim.bet", ", did you mean `optim.beta1` or `optim.beta2`?"),
            ("arc", ", did you mean `net.arch`?"),
            ("optim.lrr", ", did you mean `optim.lr`?"),
            ("net.foo", ""),
        ] {
            assert_eq!(did_you_mean(word, &keys), want, "{word}");
        }
    }
}
