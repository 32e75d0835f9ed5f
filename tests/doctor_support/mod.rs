//! What the tests of the doctor share: servers that stand where a metadata service would be.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request as it came: its first line and its headers, lower-case.
pub struct Request {
    pub line: String,
    headers: String,
}

impl Request {
    pub fn is(&self, method: &str, path: &str) -> bool {
        let mut words = self.line.split(' ');
        words.next() == Some(method) && words.next() == Some(path)
    }

    pub fn has(&self, header: &str) -> bool {
        self.headers.contains(&header.to_lowercase())
    }
}

/// A server on loopback that answers each request with the bytes that it is told to; its threads end
/// with the process.
pub struct Server {
    pub endpoint: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, ledger) = (Arc::new(answer), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, ledger) = (Arc::clone(&answer), Arc::clone(&ledger));
                thread::spawn(move || serve(stream, &*answer, &ledger));
            }
        });
        Server { endpoint, seen }
    }

    /// The first lines of all requests.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&Request) -> String, seen: &Mutex<Vec<String>>) {
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        // the doctor sends no bodies
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(n) => buffer.extend_from_slice(&chunk[..n]),
            }
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end + 4);
        let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
        let request = Request {
            line: line.to_owned(),
            headers: headers.to_lowercase(),
        };
        seen.lock().unwrap().push(request.line.clone());
        if stream.write_all(answer(&request).as_bytes()).is_err() {
            return;
        }
    }
}

/// An answer with these headers, one a line.
pub fn reply(status: &str, headers: &str, body: &str) -> String {
    let headers: String = headers
        .lines()
        .map(|line| format!("{}\r\n", line.trim()))
        .collect();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Google's: every answer is marked, a `PUT` is not allowed, and what lacks its own header is forbidden.
/// <https://cloud.google.com/compute/docs/metadata/querying-metadata>
pub fn google() -> Server {
    const HEADERS: &str = "Metadata-Flavor: Google\nServer: Metadata Server for VM\n\
         X-XSS-Protection: 0\nX-Frame-Options: SAMEORIGIN\nContent-Type: text/html; charset=UTF-8";
    Server::start(|request| {
        if !request.line.starts_with("GET ") {
            return reply("405 Method Not Allowed", HEADERS, "Method not allowed");
        }
        if !request.has("metadata-flavor: google") {
            return reply(
                "403 Forbidden",
                HEADERS,
                "Missing Metadata-Flavor:Google header.",
            );
        }
        match request.is("GET", "/computeMetadata/v1/") {
            true => reply("200 OK", HEADERS, "instance/\noslogin/\nproject/\n"),
            false => reply(
                "404 Not Found",
                HEADERS,
                "<title>Error 404 (Not Found)!!1</title>",
            ),
        }
    })
}

/// Azure's: a `PUT` without a length is refused by the HTTP stack of Windows, and what lacks the header
/// `Metadata` by the service.
/// <https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service>
pub fn azure() -> Server {
    const STACK: &str = "Content-Type: text/html; charset=us-ascii\nServer: Microsoft-HTTPAPI/2.0";
    const SERVICE: &str =
        "Content-Type: application/json; charset=utf-8\nServer: Microsoft-IIS/10.0";
    Server::start(|request| {
        if request.line.starts_with("PUT ") && !request.has("content-length:") {
            return reply(
                "411 Length Required",
                STACK,
                "<HTML><HEAD><TITLE>Length Required</TITLE></HEAD><BODY><h2>Length Required</h2>\
                 <hr><p>HTTP Error 411. The request must be chunked or have a content length.</p>\
                 </BODY></HTML>",
            );
        }
        if !request.has("metadata: true") {
            let body = r#"{"error":"Bad request: Required metadata header not specified"}"#;
            return reply("400 Bad Request", SERVICE, body);
        }
        match request
            .line
            .starts_with("GET /metadata/instance?api-version=")
        {
            true => reply(
                "200 OK",
                SERVICE,
                r#"{"compute":{"azEnvironment":"AzurePublicCloud","location":"westeurope","vmId":"02aab8a4"},"network":{}}"#,
            ),
            false => reply("404 Not Found", SERVICE, r#"{"error":"Not found"}"#),
        }
    })
}

/// OpenStack's: EC2's paths without session tokens, and its own tree beside them.
/// <https://docs.openstack.org/nova/latest/user/metadata.html>
pub fn openstack() -> Server {
    const HEADERS: &str = "Content-Type: text/plain; charset=UTF-8";
    const NOT_FOUND: &str = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  \
         <h1>404 Not Found</h1>\n  The resource could not be found.<br /><br />\n\n\n\n </body>\n</html>";
    Server::start(|request| {
        if request.is("GET", "/openstack") || request.is("GET", "/openstack/") {
            return reply(
                "200 OK",
                HEADERS,
                "2012-08-10\n2013-04-04\n2018-08-27\nlatest",
            );
        }
        if request.is("GET", "/latest/meta-data/") {
            return reply(
                "200 OK",
                HEADERS,
                "ami-id\nhostname\ninstance-id\nplacement/",
            );
        }
        reply(
            "404 Not Found",
            "Content-Type: text/html; charset=UTF-8",
            NOT_FOUND,
        )
    })
}

/// A web server that has nothing to do with any of it: one page, whatever is asked.
pub fn web_server(status: &'static str) -> Server {
    const HEADERS: &str = "Server: nginx/1.24.0\nContent-Type: text/html";
    const PAGE: &str = "<!DOCTYPE html>\n<html>\n<head><title>Welcome to nginx!</title></head>\n\
         <body><h1>Welcome to nginx!</h1></body>\n</html>\n";
    Server::start(move |_| reply(status, HEADERS, PAGE))
}
