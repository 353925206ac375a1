//! Fetching from mirrors that do right, wrong or nothing.

mod common;

use common::server::{Request, Server, head, send, status, whole};
use common::{NAME, PACKED, TIMEOUT, Try, content, gzip};
use reclra_data::{FetchError, FetchOptions, FileEntry, entry, fetch, fetch_folder};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

#[test]
fn a_good_mirror_gives_the_file_and_then_it_is_there() {
    let mut t = Try::new();
    let server = Server::of(PACKED, t.packed.clone());
    // Without the slash at the end.
    let paths = t.fetch(&[server.url.trim_end_matches('/')]).unwrap();
    t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
    assert_eq!(t.told, ["from 0", "done"]);
    assert_eq!(t.fetch(&[&server.url]).unwrap(), paths);
    assert_eq!((t.told[2].as_str(), server.requests().len()), ("present", 1));
}

#[test]
fn a_plain_file_is_taken_where_there_is_no_packed_one() {
    let mut t = Try::new();
    let server = Server::of("/toy-idx1-ubyte", content(1));
    let paths = t.fetch(&[&server.url]).unwrap();
    t.good(&paths, NAME, &content(1));
    // Some stores unpack on the way: the content counts, not the address.
    let mut t = Try::new();
    let server = Server::of(PACKED, content(1));
    let paths = t.fetch(&[&server.url]).unwrap();
    t.good(&paths, NAME, &content(1));
}

#[test]
fn a_mirror_without_the_file_is_passed_over() {
    let mut t = Try::new();
    t.fails(&Server::new(|_, out| status(out, "404 Not Found")), "toy-idx1-ubyte[.gz]: HTTP 404", &[]);
    Try::new().fails(&Server::new(|_, out| status(out, "500 Oops")), "HTTP 500", &[]);
    let nobody = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let mut t = Try::new();
    let error = t.fetch(&[&format!("http://{nobody}/")]).unwrap_err().to_string();
    assert!(error.contains("connection refused"), "{error}");
    assert_eq!(t.names(), [""; 0]);
}

#[test]
fn the_mirror_that_gave_one_file_is_asked_first_for_the_next() {
    let mut t = Try::new();
    let second = FileEntry { name: "second", ..t.entry.files[0] };
    t.entry.files = vec![t.entry.files[0], second].leak();
    let nothing = Server::new(|_, out| status(out, "404 Not Found"));
    let packed = t.packed.clone();
    let good = Server::new(move |r, out| send(r, out, &packed));
    let paths = t.fetch(&[&nothing.url, &good.url]).unwrap();
    assert_eq!(paths, [t.path("toy-idx1-ubyte.gz"), t.path("second.gz")]);
    assert_eq!((nothing.requests().len(), good.requests().len()), (2, 2));
}

#[test]
fn wrong_content_is_refused_and_leaves_nothing() {
    Try::new().fails(&Server::of(PACKED, gzip(&content(2))), "its SHA-256 is", &[]);
    let mut damaged = Try::new().packed;
    damaged[1000] ^= 0xff;
    Try::new().fails(&Server::of(PACKED, damaged), "damaged", &[]);
    let page = b"<!DOCTYPE html><html><body>Please accept our terms</body></html>".to_vec();
    Try::new().fails(&Server::of(PACKED, page.clone()), "HTML page", &[]);
    // Half a page is nothing to go on from either.
    let half = Server::new(move |_, out| whole(out, &page, 40));
    Try::new().fails(&half, "the connection ended after 40 of 64 bytes", &[]);
    // All of it came, so nothing can be missing.
    Try::new().fails(&Server::of(PACKED, Try::new().packed[..90_000].to_vec()), "no end", &[]);
}

#[test]
fn too_much_is_refused() {
    // Said beforehand, found out, and packed.
    Try::new().fails(&Server::of(PACKED, vec![1; 300_000]), "too large: 300000 bytes", &[]);
    let endless = Server::new(|_, out| {
        head(out, "200 OK", "");
        while out.write_all(&[1; 4096]).is_ok() {}
    });
    Try::new().fails(&endless, "too large: more than", &[]);
    Try::new().fails(&Server::of(PACKED, gzip(&vec![0; 20 << 20])), "decodes to more than the 200000 bytes", &[]);
}

#[test]
fn a_cut_connection_is_gone_on_with_at_the_next_mirror() {
    let mut t = Try::new();
    let packed = t.packed.clone();
    let cut = Server::new(move |_, out| whole(out, &packed, 70_000));
    let packed = t.packed.clone();
    // Has only the rest: the beginning must be what came from the other.
    let rest = Server::new(move |r, out| {
        let mut bytes = packed.clone();
        bytes[..70_000].fill(0);
        send(r, out, &bytes);
    });
    let paths = t.fetch(&[&cut.url, &rest.url]).unwrap();
    t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
    assert_eq!(rest.requests(), [Request { path: PACKED.into(), from: Some(70_000) }]);
    let size = t.packed.len();
    let failed = format!("failed: the connection ended after 70000 of {size} bytes");
    assert_eq!(t.told, ["from 0", &failed, "from 70000", "done"]);
}

#[test]
fn a_cut_connection_without_a_length_is_noticed_and_gone_on_with() {
    let mut t = Try::new();
    let packed = t.packed.clone();
    let cut = Server::new(move |_, out| {
        head(out, "200 OK", "");
        let _ = out.write_all(&packed[..70_000]);
    });
    assert!(matches!(t.fetch(&[&cut.url]), Err(FetchError::AllFailed { .. })));
    assert_eq!(t.names(), ["toy-idx1-ubyte.gz.part"]);
    let good = Server::of(PACKED, t.packed.clone());
    let paths = t.fetch(&[&good.url]).unwrap();
    t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
    assert_eq!(t.told[2..], ["from 70000", "done"]);
}

#[test]
fn what_a_liar_left_does_no_harm() {
    let mut t = Try::new();
    let lie = gzip(&content(2));
    let liar = Server::new(move |_, out| whole(out, &lie, 70_000));
    let good = Server::of(PACKED, t.packed.clone());
    let paths = t.fetch(&[&liar.url, &good.url]).unwrap();
    t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
    // The good one was gone on with, found wrong, and asked once more for all of it.
    assert_eq!(good.requests().iter().map(|r| r.from).collect::<Vec<_>>(), [Some(70_000), None]);
    assert!(t.told[3].starts_with("over: its "), "{:?}", t.told);
}

#[test]
fn servers_that_know_no_ranges_send_all() {
    for old in ["whatever was there before", "<html>"] {
        let mut t = Try::new();
        t.put("toy-idx1-ubyte.gz.part", old.as_bytes());
        let packed = t.packed.clone();
        let server = Server::new(move |_, out| whole(out, &packed, packed.len()));
        let paths = t.fetch(&[&server.url]).unwrap();
        t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
        assert_eq!(t.told, ["from 0", "done"]);
    }
}

#[test]
fn a_part_beyond_the_end_and_a_wrong_range_are_started_over() {
    let mut t = Try::new();
    let server = Server::of(PACKED, t.packed.clone());
    t.put("toy-idx1-ubyte.gz.part", &t.packed);
    let paths = t.fetch(&[&server.url]).unwrap();
    t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
    assert_eq!(t.told, ["over: it has nothing after what is there", "from 0", "done"]);

    let mut t = Try::new();
    t.put("toy-idx1-ubyte.gz.part", &t.packed[..1000]);
    let packed = t.packed.clone();
    let server = Server::new(move |r, out| send(&Request { from: r.from.map(|f| f - 1), ..r.clone() }, out, &packed));
    let paths = t.fetch(&[&server.url]).unwrap();
    t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
    assert_eq!(t.told, ["over: it sends another range than asked for", "from 0", "done"]);
    // A part larger than the file can be is not asked about at all.
    let mut t = Try::new();
    t.put("toy-idx1-ubyte.gz.part", &vec![7; 1 << 20]);
    let server = Server::of(PACKED, t.packed.clone());
    let paths = t.fetch(&[&server.url]).unwrap();
    t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
    assert_eq!(server.requests()[0].from, None);
}

#[test]
fn silence_is_given_up() {
    let begun = Instant::now();
    let mute = Server::new(|_, _| std::thread::sleep(Duration::from_secs(60)));
    Try::new().fails(&mute, "silent for 0.3 s", &[]);
    let packed = Try::new().packed;
    let stuck = Server::new(move |_, out| {
        whole(out, &packed, 50_000);
        std::thread::sleep(Duration::from_secs(60));
    });
    Try::new().fails(&stuck, "silent for 0.3 s", &["toy-idx1-ubyte.gz.part"]);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_byte_now_and_then_is_given_up() {
    let packed = Try::new().packed;
    let drip = Server::new(move |r, out| {
        whole(out, &packed, 0);
        // A byte of this file at a time.
        for byte in packed.iter().skip(r.from.unwrap_or(0)) {
            if out.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let begun = Instant::now();
    Try::new().fails(&drip, "too slow, ", &["toy-idx1-ubyte.gz.part"]);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn redirects_are_followed_but_not_round_and_round() {
    let mut t = Try::new();
    let good = Server::of("/elsewhere/file", t.packed.clone());
    let to = format!("Location: {}elsewhere/file\r\nContent-Length: 0\r\n", good.url);
    let server = Server::new(move |r, out| match r.path.as_str() {
        PACKED => head(out, "302 Found", "Location: /once/more\r\nContent-Length: 0\r\n"),
        _ => head(out, "307 Temporary Redirect", &to),
    });
    // The range is asked for where it leads.
    t.put("toy-idx1-ubyte.gz.part", &t.packed[..1000]);
    let paths = t.fetch(&[&server.url]).unwrap();
    t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
    assert_eq!(good.requests()[0].from, Some(1000));

    let round = Server::new(|_, out| head(out, "301 Moved Permanently", "Location: again\r\nContent-Length: 0\r\n"));
    Try::new().fails(&round, "more than 5 redirects", &[]);
    assert_eq!(round.requests().len(), 12);
    let out_of_it = Server::new(|_, out| head(out, "302 Found", "Location: file:///etc/passwd\r\n"));
    Try::new().fails(&out_of_it, "redirect to file:///etc/passwd refused", &[]);
    Try::new().fails(&Server::new(|_, out| status(out, "302 Found")), "redirected to nowhere", &[]);
}

#[test]
fn an_interrupted_fetch_is_gone_on_with() {
    let mut t = Try::new();
    let packed = t.packed.clone();
    let slow = Server::new(move |_, out| {
        whole(out, &packed, 100_000);
        std::thread::sleep(Duration::from_secs(60));
    });
    let stop = AtomicBool::new(false);
    let error = t.fetch_until(&[&slow.url], &stop, 1).unwrap_err();
    assert!(matches!(error, FetchError::Interrupted), "{error}");
    let part = std::fs::read(t.path("toy-idx1-ubyte.gz.part")).unwrap();
    assert!(!part.is_empty() && t.packed.starts_with(&part));
    assert_eq!(t.names().len(), 1);
    let good = Server::of(PACKED, t.packed.clone());
    let paths = t.fetch(&[&good.url]).unwrap();
    t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
    assert_eq!(good.requests()[0].from, Some(part.len()));
}

#[test]
fn a_wrong_file_is_replaced_only_by_a_right_one() {
    let mut t = Try::new();
    let names = ["toy-idx1-ubyte", "toy-idx1-ubyte.gz"];
    names.iter().for_each(|n| t.put(n, b"my own"));
    let liar = Server::of(PACKED, gzip(&content(2)));
    assert!(matches!(t.fetch(&[&liar.url]), Err(FetchError::AllFailed { .. })));
    assert_eq!(t.names(), names);
    assert_eq!(std::fs::read(t.path(NAME)).unwrap(), b"my own");
    let good = Server::of(PACKED, t.packed.clone());
    let paths = t.fetch(&[&liar.url, &good.url]).unwrap();
    // The plain one goes too: it would be found first.
    t.good(&paths, "toy-idx1-ubyte.gz", &t.packed);
    assert_eq!(t.told.last().unwrap(), "removed");
}

#[test]
fn folders_that_cannot_be_used_are_not_the_mirrors_fault() {
    let mut t = Try::new();
    let server = Server::of(PACKED, t.packed.clone());
    // A folder where the part belongs.
    std::fs::create_dir_all(t.path("toy-idx1-ubyte.gz.part/x")).unwrap();
    let error = t.fetch(&[&server.url, &server.url]).unwrap_err();
    assert!(matches!(&error, FetchError::File(e) if e.path.ends_with("toy-idx1-ubyte.gz.part")), "{error:?}");
    assert!(error.to_string().contains("--data-dir"), "{error}");

    let lock = std::fs::File::create(t.path(".fetch.lock")).unwrap();
    lock.lock().unwrap();
    let error = t.fetch(&[&server.url]).unwrap_err();
    assert!(matches!(error, FetchError::Busy(_)), "{error:?}");
    drop(lock);

    for mirror in ["ftp://a.org/", "a.org", "http://", "file:///tmp"] {
        let error = t.fetch(&[mirror]).unwrap_err();
        assert!(matches!(error, FetchError::Mirror { .. }), "{error:?}");
    }
    let error = t.fetch(&[]).unwrap_err();
    assert!(matches!(error, FetchError::NoMirror(_)), "{error:?}");
}

#[test]
fn a_data_set_has_a_folder_and_the_embedded_one_needs_none() {
    let dir = tempfile::tempdir().unwrap();
    let (mnist, digits) = (entry("mnist").unwrap(), entry("digits").unwrap());
    assert_eq!(fetch_folder(mnist, Some(dir.path())), dir.path());
    std::fs::create_dir(dir.path().join("mnist")).unwrap();
    assert_eq!(fetch_folder(mnist, Some(dir.path())), dir.path().join("mnist"));
    let folder = Path::new("/nowhere").to_owned();
    let options = FetchOptions { folder, mirrors: Vec::new(), only_named: false, timeout: TIMEOUT };
    let paths = fetch(digits, &options, &AtomicBool::new(false), &mut |_| unreachable!()).unwrap();
    assert!(paths.is_empty());
}
