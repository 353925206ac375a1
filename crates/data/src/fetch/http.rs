//! One request for a file, made by a thread of its own: whoever waits for its messages can give up at any moment, when
//! asked to stop, when nothing is heard, or when what is heard is too little.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::{Agent, Body, Error};

/// Redirects followed.
const HOPS: usize = 5;
/// Bytes a second below which a mirror is too slow, on average over three times the timeout: a mirror that sends a byte
/// now and then is never silent, but never done either.
const SLOWEST: f64 = 1024.0;
/// How often a waiting caller looks up.
const GLANCE: Duration = Duration::from_millis(50);
/// Silence after which the caller is told, and then again.
const BREATH: u64 = 5;
/// Bytes of a message.
const CHUNK: usize = 1 << 16;

/// What the answer says before its body comes.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Bytes of the body.
    pub(super) length: Option<u64>,
    /// First byte of the part of the file that is sent, if it is a part.
    pub(super) start: Option<u64>,
}

/// What comes of a request.
enum Message {
    /// Nothing has come for so many seconds.
    Silence(u64),
    /// The request goes on at another address.
    Redirected,
    Head(Head),
    Chunk(Vec<u8>),
    End,
    Failed(String),
}

/// Why nothing more comes.
#[derive(Debug)]
pub(super) enum Halt {
    /// The caller was asked to stop.
    Interrupted,
    /// The mirror does not deliver, in a few words.
    Failed(String),
}

/// A request under way. Dropping it ends it.
pub(super) struct Exchange {
    agent: Agent,
    messages: Receiver<Message>,
    timeout: Duration,
    heard: Instant,
    /// How often the caller was told that nothing was heard since.
    breaths: u64,
    /// Beginning of the time over which the speed is averaged, and the bytes since.
    window: (Instant, usize),
}

impl Exchange {
    /// Asks for the file at `url`, from byte `from` on.
    pub(super) fn begin(url: &str, from: u64, timeout: Duration) -> Exchange {
        let config = Agent::config_builder()
            .user_agent(concat!("reclra/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(timeout))
            .timeout_connect(Some(timeout))
            .timeout_per_read(Some(timeout))
            .timeout_per_write(Some(timeout))
            .timeout_recv_response(Some(timeout));
        let agent: Agent = config.build().into();
        let (sender, messages) = sync_channel(4);
        let (worker, url) = (agent.clone(), url.to_owned());
        let work = move || {
            let last = match converse(&worker, &url, from, timeout, &sender) {
                Ok(()) => Message::End,
                Err(reason) => Message::Failed(reason),
            };
            // Nobody listens any more: it was given up.
            let _ = sender.send(last);
        };
        // Without a thread there is nobody to send, which `next` notices.
        let _ = std::thread::Builder::new().name("fetch".into()).spawn(work);
        let now = Instant::now();
        Exchange { agent, messages, timeout, heard: now, breaths: 0, window: (now, 0) }
    }

    /// Waits for the head of the answer; `silence` is told of every few seconds in which nothing comes.
    pub(super) fn head(&mut self, stop: &AtomicBool, silence: &mut dyn FnMut(u64)) -> Result<Head, Halt> {
        loop {
            match self.next(stop)? {
                Message::Redirected => {}
                Message::Silence(seconds) => silence(seconds),
                Message::Head(head) => return Ok(head),
                _ => return Err(Halt::Failed("it answers without a head".into())),
            }
        }
    }

    /// Waits for the next bytes of the body; none at its end.
    pub(super) fn chunk(&mut self, stop: &AtomicBool, silence: &mut dyn FnMut(u64)) -> Result<Option<Vec<u8>>, Halt> {
        loop {
            match self.next(stop)? {
                Message::Chunk(bytes) => return Ok(Some(bytes)),
                Message::Silence(seconds) => silence(seconds),
                _ => return Ok(None),
            }
        }
    }

    fn next(&mut self, stop: &AtomicBool) -> Result<Message, Halt> {
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Halt::Interrupted);
            }
            let failed = |reason: String| Err(Halt::Failed(reason));
            match self.messages.recv_timeout(GLANCE.min(self.timeout)) {
                Ok(Message::Failed(reason)) => return failed(reason),
                Ok(message) => {
                    (self.heard, self.breaths) = (Instant::now(), 0);
                    if let Message::Chunk(bytes) = &message {
                        self.window.1 += bytes.len();
                        let seconds = self.window.0.elapsed().as_secs_f64();
                        if seconds > 3.0 * self.timeout.as_secs_f64() {
                            let speed = self.window.1 as f64 / seconds;
                            if speed < SLOWEST {
                                return failed(format!("too slow, {speed:.0} bytes/s"));
                            }
                            self.window = (self.heard, 0);
                        }
                    } else {
                        self.window = (self.heard, 0);
                    }
                    return Ok(message);
                }
                Err(RecvTimeoutError::Timeout) if self.heard.elapsed() > self.timeout => {
                    return failed(silence(self.timeout));
                }
                Err(RecvTimeoutError::Timeout) => {
                    let breaths = self.heard.elapsed().as_secs() / BREATH;
                    if breaths > self.breaths {
                        self.breaths = breaths;
                        return Ok(Message::Silence(breaths * BREATH));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return failed("no thread to ask it with".into()),
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Wakes the thread if it waits for the mirror.
        self.agent.clone().shutdown();
    }
}

fn silence(timeout: Duration) -> String {
    format!("silent for {} s", timeout.as_secs_f64())
}

/// The whole exchange, in its thread.
fn converse(
    agent: &Agent,
    url: &str,
    from: u64,
    timeout: Duration,
    sender: &SyncSender<Message>,
) -> Result<(), String> {
    let say = |message| sender.send(message).map_err(|_| String::new());
    let mut uri: Uri = url.parse().map_err(|e| format!("is no address ({e})"))?;
    let mut hops = 0;
    let response = loop {
        let response = ask(agent, &uri, from).map_err(|e| reason(e, timeout))?;
        if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
            break response;
        }
        hops += 1;
        if hops > HOPS {
            return Err(format!("more than {HOPS} redirects"));
        }
        let location = text(&response, &header::LOCATION).ok_or("redirected to nowhere")?;
        uri = redirected(&uri, location)?;
        say(Message::Redirected)?;
    };
    let length = text(&response, &header::CONTENT_LENGTH).and_then(|l| l.trim().parse().ok());
    let start = text(&response, &header::CONTENT_RANGE).and_then(range_start);
    say(Message::Head(Head { status: response.status().as_u16(), length, start }))?;
    let mut body = response.into_body().into_reader();
    let mut got = 0;
    loop {
        let mut chunk = vec![0; CHUNK];
        match body.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                chunk.truncate(n);
                got += n as u64;
                say(Message::Chunk(chunk))?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                let of = length.map_or(String::new(), |l| format!(" of {l}"));
                return Err(format!("the connection ended after {got}{of} bytes"));
            }
            Err(e) => return Err(reason(Error::from(e), timeout)),
        }
    }
}

fn ask(agent: &Agent, uri: &Uri, from: u64) -> Result<Response<Body>, Error> {
    let mut request = agent.get(uri).header(header::ACCEPT_ENCODING, "identity");
    if from > 0 {
        request = request.header(header::RANGE, format!("bytes={from}-"));
    }
    let local = uri.host().is_some_and(|h| ["localhost", "127.0.0.1", "[::1]"].contains(&h));
    // A proxy cannot know what is on this machine.
    if local { request.config().proxy(None).build().call() } else { request.call() }
}

fn text<'a>(response: &'a Response<Body>, name: &header::HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// First byte, from `bytes 100-199/200`.
fn range_start(text: &str) -> Option<u64> {
    text.trim().strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

/// Where a redirect leads, if it may be followed: only to http and https, and never from https back to http, where
/// anyone on the way could answer.
fn redirected(from: &Uri, location: &str) -> Result<Uri, String> {
    let refused = |why: &str| format!("redirect to {} refused: {why}", location.escape_default());
    let scheme = from.scheme_str().unwrap_or_default();
    let authority = from.authority().map_or("", |a| a.as_str());
    let location = location.trim().split('#').next().unwrap_or_default();
    let before_query = location.split('?').next().unwrap_or_default();
    let target = if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if before_query.split('/').next().is_some_and(|first| first.contains(':')) {
        location.to_owned()
    } else if location.starts_with('?') || location.is_empty() {
        format!("{scheme}://{authority}{}{location}", from.path())
    } else {
        let folder = from.path().rfind('/').map_or("/", |at| &from.path()[..=at]);
        format!("{scheme}://{authority}{folder}{location}")
    };
    let target = web_address(&target).map_err(|why| refused(&why))?;
    if scheme == "https" && target.scheme_str() != Some("https") {
        return Err(refused("it leads from https to http"));
    }
    Ok(target)
}

/// An address of the web, or what is wrong with it.
pub(super) fn web_address(text: &str) -> Result<Uri, String> {
    let begins = |with: &str| text.get(..with.len()).is_some_and(|t| t.eq_ignore_ascii_case(with));
    if !begins("http://") && !begins("https://") {
        return Err("it must begin with http:// or https://".into());
    }
    let uri: Uri = text.parse().map_err(|e: ureq::http::uri::InvalidUri| e.to_string())?;
    if uri.host().is_some_and(|h| !h.is_empty()) { Ok(uri) } else { Err("it names no host".into()) }
}

/// An error of the exchange in a few words.
fn reason(error: Error, timeout: Duration) -> String {
    use std::io::ErrorKind as K;
    let said = match error {
        Error::Timeout(_) => silence(timeout),
        Error::HostNotFound => "host not found".to_owned(),
        Error::Io(e) => match e.kind() {
            K::ConnectionRefused => "connection refused".to_owned(),
            K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => "connection reset".to_owned(),
            K::UnexpectedEof => "the connection ended without an answer".to_owned(),
            K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => "the network does not reach it".to_owned(),
            K::TimedOut | K::WouldBlock => silence(timeout),
            _ => e.to_string(),
        },
        e => e.to_string(),
    };
    said.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_followed_to_the_web_and_never_out_of_https() {
        let to = |from: &str, location: &str| redirected(&from.parse().unwrap(), location).map(|u| u.to_string());
        let from = "https://a.org/x/y.gz?q=1";
        for (location, want) in [
            ("https://b.org/z", "https://b.org/z"),
            ("HTTPS://b.org:8443/z?u=http://c.org", "https://b.org:8443/z?u=http://c.org"),
            ("//b.org/z#top", "https://b.org/z"),
            ("/z", "https://a.org/z"),
            ("z.gz", "https://a.org/x/z.gz"),
            ("z?time=10:30", "https://a.org/x/z?time=10:30"),
            ("?q=2", "https://a.org/x/y.gz?q=2"),
        ] {
            assert_eq!(to(from, location).as_deref(), Ok(want));
        }
        assert_eq!(to("http://a.org/x", "https://a.org/x").as_deref(), Ok("https://a.org/x"));
        assert_eq!(to("http://a.org/x", "http://b.org/x").as_deref(), Ok("http://b.org/x"));
        for (from, location, want) in [
            (from, "http://a.org/x/y.gz", "from https to http"),
            (from, "HTTP://a.org/", "from https to http"),
            (from, "file:///etc/passwd", "http:// or https://"),
            ("http://a.org/", "ftp://a.org/x", "http:// or https://"),
            ("http://a.org/", "javascript:alert(1)", "refused"),
            ("http://a.org/", "http://", "refused"),
            ("http://a.org/", "http://b org/\u{1b}[2J", "refused"),
        ] {
            let error = to(from, location).unwrap_err();
            assert!(error.contains(want) && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(range_start("bytes 100-199/200"), Some(100));
        assert_eq!(range_start("bytes 0-199/*"), Some(0));
        assert_eq!(["bytes */200", "100-199/200", "", "bytes x-1/2"].map(range_start), [None; 4]);
    }
}
