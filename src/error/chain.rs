//! Chains of causes: somebody else's as text, any one printed whole, and what a broken connection is
//! called.

use super::text::{Quoted, Secrets};
use std::error::Error as StdError;
use std::fmt;
use std::io;

/// How many layers are kept; a longer chain is a loop or noise.
const DEPTH_LIMIT: usize = 16;

/// What the layers of the SDK and its HTTP client say that say nothing: the one below says it.
const NOISE: [&str; 16] = [
    "an error occurred while loading credentials",
    "an error occurred",
    "client error (Connect)",
    "client error (SendRequest)",
    "dispatch failure",
    "dns error",
    "error trying to connect",
    "io error",
    "other",
    "response error",
    "service error",
    "tcp connect error",
    "the credential provider was not enabled",
    "timed out",
    "timeout",
    "unhandled error",
];

fn is_noise(text: &str) -> bool {
    NOISE.contains(&text) || text.starts_with("unhandled error")
}

/// The layers of an error, itself first.
pub(crate) fn layers<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let layer = next?;
        next = layer.source();
        Some(layer)
    })
    .take(DEPTH_LIMIT)
}

/// A cause whose texts, and those of what is below it, may be shown as they are: they are our own words, or
/// have passed the sieve of [`Quoted`]. Nothing else can be the cause of an [`Error`](super::Error).
pub(crate) trait Discreet: StdError + Send + Sync + 'static {}

/// A chain of somebody else's errors: what each layer says, without what it holds.
///
/// An SDK error holds the raw response, and its `Debug` prints it; a chain that is kept as text cannot
/// show more than its `Display` did, and that goes through the sieve of [`Quoted`]. Layers that say
/// nothing, or only what the next one says too, are left out.
#[derive(Clone)]
pub(crate) struct Told {
    text: Quoted,
    next: Option<Box<Told>>,
}

impl Told {
    /// The chain that starts with this error; `None` where it has nothing to say.
    pub(crate) fn chain(error: &(dyn StdError + 'static), secrets: &Secrets) -> Option<Self> {
        let texts: Vec<String> = layers(error).map(ToString::to_string).collect();
        let mut told: Option<Told> = None;
        for text in texts.iter().rev() {
            let text = text.trim();
            let repeats = |told: &Told| text.contains(told.text.as_str());
            if text.is_empty() || is_noise(text) {
                continue;
            }
            // a layer that prints its source as well: what it says is kept, the repetition is not
            let text = match told.as_ref().filter(|told| repeats(told)) {
                Some(below) => match text.split_once(below.text.as_str()) {
                    Some((before, _)) => before.trim_end_matches([' ', ':', ';', ',', '(']),
                    None => text,
                },
                None => text,
            };
            let text = Quoted::new(text, secrets);
            if !text.is_empty() && !is_noise(text.as_str()) {
                told = Some(Told {
                    text,
                    next: told.map(Box::new),
                });
            }
        }
        told.or_else(|| {
            let text = texts.first().map(|text| Quoted::new(text, secrets))?;
            Some(Told { text, next: None })
        })
    }

    /// What the first layer says, and the others.
    #[cfg_attr(not(feature = "table"), allow(dead_code))]
    pub(crate) fn split(self) -> (Quoted, Option<Told>) {
        (self.text, self.next.map(|next| *next))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.text, f)
    }
}

impl Discreet for Told {}

impl StdError for Told {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.next
            .as_deref()
            .map(|next| next as &(dyn StdError + 'static))
    }
}

/// The layers below an error, each once, and none that its own line tells.
pub(crate) fn below(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut told = error.to_string();
    let mut below = Vec::new();
    for layer in layers(error).skip(1) {
        let text = layer.to_string();
        if !text.is_empty() && !told.contains(&text) {
            told.push_str(&text);
            below.push(text);
        }
    }
    below
}

/// Why there is no connection, in words that tell whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The host's name has no address.
    Name,
    /// The host is there, and nobody listens at the port.
    Refused,
    /// No way there.
    NoRoute,
    /// The certificate or the handshake.
    Tls,
    /// It stood, and ended.
    Ended,
    /// None of these.
    Other,
}

impl Broken {
    /// Reads it from the layers of a transport's error.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut tls = false;
        for layer in layers(error) {
            if let Some(error) = layer.downcast_ref::<io::Error>() {
                match error.kind() {
                    io::ErrorKind::ConnectionRefused => return Broken::Refused,
                    io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::AddrNotAvailable
                    | io::ErrorKind::NetworkDown => return Broken::NoRoute,
                    io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof => return Broken::Ended,
                    _ => {}
                }
            }
            // the resolver of the operating system and TLS have no types of their own up here
            let text = layer.to_string();
            // hyper has none for this
            if text == "connection closed before message completed" {
                return Broken::Ended;
            }
            if text == "dns error" || text.contains("failed to lookup address") {
                return Broken::Name;
            }
            tls |= text.contains("certificate") || text.contains("TLS") || text.contains("tls");
        }
        if tls { Broken::Tls } else { Broken::Other }
    }

    /// What happened.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Broken::Name => "the name of the endpoint does not resolve",
            Broken::Refused => "nobody listens at the endpoint: connection refused",
            Broken::NoRoute => "there is no route to the endpoint",
            Broken::Tls => "no TLS connection with the endpoint",
            Broken::Ended => "the connection to the endpoint ended before an answer",
            Broken::Other => "no connection to the endpoint",
        }
    }

    /// What mends it.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Broken::Name => {
                "check the region and the endpoint, and whether this host can resolve names: DNS of the VPC, \
                 resolv.conf, VPC endpoint"
            }
            Broken::Refused => "is it the right port, and is the service or proxy running there?",
            Broken::Tls => {
                "is a proxy in between whose certificate this host does not trust, or is this host's clock off?"
            }
            Broken::NoRoute | Broken::Ended | Broken::Other => {
                "is the endpoint reachable from here: route, security group, VPC endpoint, proxy?"
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<dyn StdError>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Layer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_deref()
        }
    }

    fn layered(texts: &[&'static str]) -> Layer {
        let (first, rest) = texts.split_first().unwrap();
        let next = (!rest.is_empty()).then(|| Box::new(layered(rest)) as Box<dyn StdError>);
        Layer(first, next)
    }

    fn told(texts: &[&'static str]) -> Vec<String> {
        let told = Told::chain(&layered(texts), &Secrets::unknown()).unwrap();
        layers(&told).map(ToString::to_string).collect()
    }

    #[test]
    fn layers_that_say_nothing_are_left_out() {
        assert_eq!(
            told(&["dispatch failure", "io error", "dns error", "no such host"]),
            ["no such host"]
        );
        assert_eq!(told(&["dispatch failure", "other"]), ["dispatch failure"]);
        assert_eq!(
            told(&["loading failed: no such file", "no such file"]),
            ["loading failed", "no such file"]
        );
    }

    #[test]
    fn no_layer_is_told_twice() {
        let error = layered(&["outer: inner", "inner", "innermost"]);
        assert_eq!(below(&error), ["innermost"]);
    }

    #[test]
    fn a_broken_connection_has_a_name() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(Broken::of(&refused), Broken::Refused);
        assert_eq!(
            Broken::of(&layered(&["dispatch failure", "dns error", "x"])),
            Broken::Name
        );
        assert_eq!(
            Broken::of(&layered(&["invalid peer certificate"])),
            Broken::Tls
        );
        assert_eq!(Broken::of(&layered(&["x"])), Broken::Other);
    }
}
