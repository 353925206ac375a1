//! A web server of a few lines that does what a test wants, be it wrong.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// First byte of the range.
    pub(crate) from: Option<usize>,
}

pub(crate) struct Server {
    /// Address, with a slash at the end.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request, in a thread of its own, and then closes the connection.
    pub(crate) fn new(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (log.clone(), answer.clone());
                std::thread::spawn(move || one(stream, &log, &*answer));
            }
        });
        Server { url, requests }
    }

    /// Serves one file under one name, the rest is 404.
    pub(crate) fn of(path: &'static str, bytes: Vec<u8>) -> Server {
        Server::new(move |r, out| if r.path == path { send(r, out, &bytes) } else { status(out, "404 Not Found") })
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn one(mut stream: TcpStream, log: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request, &mut TcpStream)) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|l| !l.is_empty()).collect();
    let Some(path) = head.first().and_then(|l| l.split(' ').nth(1)) else { return };
    let from = head.iter().find_map(|l| {
        let (name, value) = l.split_once(':')?;
        let range = value.trim().strip_prefix("bytes=")?.strip_suffix('-')?;
        name.eq_ignore_ascii_case("range").then(|| range.parse().unwrap())
    });
    let request = Request { path: path.to_owned(), from };
    log.lock().unwrap().push(request.clone());
    answer(&request, &mut stream);
}

/// Sends a head; the client may be gone already.
pub(crate) fn head(out: &mut TcpStream, status: &str, headers: &str) {
    let _ = write!(out, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
}

pub(crate) fn status(out: &mut TcpStream, status: &str) {
    head(out, status, "Content-Length: 0\r\n");
}

/// Sends a file, from the byte asked for.
pub(crate) fn send(request: &Request, out: &mut TcpStream, bytes: &[u8]) {
    match request.from {
        Some(from) if from >= bytes.len() => status(out, "416 Range Not Satisfiable"),
        Some(from) => {
            let (all, rest) = (bytes.len(), &bytes[from..]);
            let range = format!("Content-Range: bytes {from}-{}/{all}\r\nContent-Length: {}\r\n", all - 1, rest.len());
            head(out, "206 Partial Content", &range);
            let _ = out.write_all(rest);
        }
        None => whole(out, bytes, bytes.len()),
    }
}

/// Promises all of `bytes` and sends so many.
pub(crate) fn whole(out: &mut TcpStream, bytes: &[u8], sent: usize) {
    head(out, "200 OK", &format!("Content-Length: {}\r\n", bytes.len()));
    let _ = out.write_all(&bytes[..sent]);
}
