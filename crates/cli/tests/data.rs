//! `reclra data` through the binary: a mirror that lies, data sets that are there and that are not.

mod common;

use common::{bad, good, objects, reclra, texts};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;

/// A mirror that answers every request alike; its address.
fn mirror(status: &'static str, body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            lines.take_while(|l| !l.is_empty()).for_each(drop);
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    url
}

const PAGE: &[u8] = b"<!doctype html><title>Sign in to the network</title>";

/// Files in a folder, without the lock.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    files.filter(|n| n != ".fetch.lock").collect()
}

#[test]
fn mirrors_that_lie_are_named_with_their_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let (page, words, none) = (mirror("200 OK", PAGE), mirror("200 OK", b"words"), mirror("404 Not Found", b""));
    let mirrors = ["--mirror", &page, "--mirror", &words, "--mirror", &none, "--only-mirror", "--data-dir", folder];
    let fetch = |more: &'static [&str]| [&["data", "fetch", "mnist"], &mirrors[..], more].concat();
    let line = bad(&fetch(&[]), 1);
    let first = "train-images-idx3-ubyte";
    for part in [
        &format!("{first}: no mirror gave it ("),
        &format!("{page}{first}.gz: it is an HTML page; "),
        &format!("{words}{first}.gz: it has 5 of 47040016 bytes"),
        &format!("{none}{first}[.gz]: HTTP 404"),
        "name another with --mirror",
        folder,
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(names(dir.path()), [""; 0]);

    let output = reclra(&fetch(&[])).output().unwrap();
    let (_, err) = texts(&output);
    assert!(err.contains(&format!("it is an HTML page; trying {words}")) && err.contains("no mirror is left"), "{err}");
    let output = reclra(&fetch(&["--quiet"])).output().unwrap();
    assert_eq!(texts(&output).1.lines().count(), 1);

    let output = reclra(&fetch(&["--json"])).output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), err.lines().count()), (Some(1), 1), "{err}");
    let failed: Vec<_> = objects(&out).into_iter().filter(|o| o["event"] == "mirror_failed").collect();
    assert_eq!(failed.len(), 3);
    assert_eq!((&failed[0]["next"], &failed[2]["next"]), (&words.clone().into(), &serde_json::Value::Null));
}

#[test]
fn a_fetch_that_cannot_be_meant_is_refused() {
    for (args, code, parts) in [
        (&["data", "fetch", "mnits"][..], 2, &["did you mean `mnist`"][..]),
        (&["data", "fetch", "mnist", "--mirror", "ftp://a.org/", "--only-mirror"], 2, &["ftp://a.org/", "https://"]),
        (&["data", "fetch", "mnist", "--only-mirror"], 2, &["--mirror"]),
        (&["data", "fetch", "mnist", "--timeout", "0"], 2, &["--timeout", "from 1 to 3600"]),
        (&["data", "info", "mnits"], 2, &["did you mean `mnist`"]),
    ] {
        let line = bad(args, code);
        parts.iter().for_each(|p| assert!(line.contains(p), "{args:?}: {line}"));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let url = mirror("404 Not Found", b"");
    let line = bad(&["data", "fetch", "mnist", "--mirror", &url, "--only-mirror", "--data-dir", path], 1);
    assert!(line.contains("is a file, where a folder belongs; name a folder with --data-dir"), "{line}");
    let (out, _) = good(&["data", "fetch", "digits"]);
    assert_eq!(out, "digits is embedded in the program; nothing to fetch\n");
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_a_fetch_with_130_and_a_hint() {
    use std::process::{Command, Stdio};
    // Accepts, and then says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("reclra"));
    command.args(["data", "fetch", "mnist", "--only-mirror", "--mirror", &url, "--data-dir"]).arg(dir.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _connection = listener.accept().unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert_eq!(err, "error: interrupted; the same command goes on where this one stopped\n");
}

#[test]
fn info_says_what_is_there_and_what_is_missing() {
    let (out, _) = good(&["data", "info", "digits"]);
    for line in ["for training", "8x8 pixels, grey", "10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9", "mean 0.30"] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    // All data sets: missing ones are no failure.
    let output = reclra(&["data", "info"]).env("RECLRA_DATA", folder).output().unwrap();
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{err}");
    let looked = dir.path().join("fashion-mnist").display().to_string();
    for line in ["digits: ", "mnist: ", "t10k-labels-idx1-ubyte", &looked, "reclra data fetch fashion-mnist"] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let (out, _) = good(&["data", "info", "--json", "--data-dir", folder]);
    let objects = objects(&out);
    let names: Vec<&str> = objects.iter().map(|o| o["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["digits", "mnist", "fashion-mnist", "cifar10", "idx", "image-folder"]);
    let measured = &objects[0]["measured"];
    assert_eq!(measured["train"].as_u64().unwrap() + measured["test"].as_u64().unwrap(), 1797);
    assert!(objects[1]["measured"].is_null() && objects[1]["files"][3]["path"].is_null());

    let line = bad(&["data", "info", "mnist", "--data-dir", folder], 1);
    assert!(line.contains(folder) && line.contains("reclra data fetch mnist"), "{line}");
}
