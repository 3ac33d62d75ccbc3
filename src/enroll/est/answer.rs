//! What an EST client makes of an HTTP response before it looks at the body: refusals, media types, when to ask again, and
//! where a redirect leads.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use zeroize::Zeroizing;

use super::body::{self, MediaType};
use super::{Error, Note, Notes, Operation};
use crate::files::printable;
use crate::net::{Response, ServerName};
use crate::x509::Time;

/// Longest time after which it is asked again, whatever the server says: a day. A CA whose approval takes a week still has
/// an answer on the day on which it is given, and no device sleeps for a year because of one header field.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Shortest time after which it is asked again: a second, so that nobody asks in a tight loop.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// When it is asked again where a server does not say, though it has to (RFC 7030 section 4.2.3): a minute.
const USUAL_WAIT: Duration = Duration::from_secs(60);

/// Longest reason of a server that is shown, in characters: two lines of a terminal.
const REASON_LENGTH: usize = 200;

/// The error of a response that refuses: its status code, and its reason where that is meant for people.
pub(super) fn refusal(doing: Operation, response: &Response) -> Error {
    Error::Status { status: response.status, doing, why: reason(response) }
}

/// The first line of a text body. Pages of HTML and whatever else is for programs say nothing in their first line.
fn reason(response: &Response) -> String {
    let is_text = media_type(response).is_none_or(|found| found.is("text/plain"));
    match std::str::from_utf8(&response.body) {
        Ok(text) if is_text => {
            let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            shortened(line)
        }
        _ => String::new(),
    }
}

/// The start of what a server says, safe for a terminal.
fn shortened(text: &str) -> String {
    printable(&text.chars().take(REASON_LENGTH).collect::<String>())
}

/// The media type of the body, where one is said.
pub(super) fn media_type(response: &Response) -> Option<MediaType> {
    response.headers.get("Content-Type").map(MediaType::parse)
}

/// Decodes a body of a media type. Several spellings of a type may be given, the standard's first. Parameters do not matter,
/// `smime-type` among them: one server or another leaves it out, and the body tells by itself what it is.
///
/// A body without type, or of the type that says nothing, is read all the same, with a note: what it is shows when it is
/// parsed. Any other type is refused, since such an answer comes from somebody else, as a page to log in at a network.
pub(super) fn body(
    doing: Operation,
    response: &Response,
    types: &[&'static str],
    notes: &mut Notes,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let wanted = types.first().copied().unwrap_or_default();
    match media_type(response) {
        Some(found) if types.iter().any(|known| found.is(known)) => {}
        Some(found) if !found.is("application/octet-stream") => {
            let found = shortened(response.headers.get("Content-Type").unwrap_or_default());
            return Err(Error::Malformed { doing, why: format!("it is of type {found}, not {wanted}") });
        }
        _ => notes.add(Note::MediaType { doing, wanted }),
    }
    body::decode(&response.body).map_err(|why| Error::Malformed { doing, why: why.to_string() })
}

/// When to ask again (RFC 9110 section 10.2.3): in so many seconds, or at a date.
pub(super) fn retry_after(response: &Response, now: Time, notes: &mut Notes) -> Duration {
    let field = response.headers.get("Retry-After").map(str::trim);
    let said = match field {
        // More digits than a number of 64 bits has are more than a day, too.
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
        }
        // IMF-fixdate is a date of RFC 5322 with GMT as its zone; of the three forms it alone may be sent today.
        Some(date) => OffsetDateTime::parse(date, &Rfc2822).ok().map(|at| (at - now).try_into().unwrap_or_default()),
        None => None,
    };
    let Some(said) = said else {
        notes.add(Note::NoRetryAfter { seconds: USUAL_WAIT.as_secs() });
        return USUAL_WAIT;
    };
    if said > LONGEST_WAIT {
        notes.add(Note::LongRetryAfter { said, seconds: LONGEST_WAIT.as_secs() });
    }
    said.clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// The target that a redirect leads to. It must be at the same origin, scheme, host and port (RFC 6454 section 5): anything
/// else needs the consent of a person (RFC 7030 section 3.2.1), who can name that server.
pub(super) fn redirected(doing: Operation, response: &Response, server: &ServerName) -> Result<String, Error> {
    let to = response.headers.get("Location").unwrap_or_default();
    let refuse = |why| Err(Error::Redirect { doing, to: shortened(to), why });
    // What stands here is sent as a target: visible ASCII, and nothing that could end the line.
    if to.is_empty() || !to.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse("which is no URL");
    }
    let target = to.split('#').next().unwrap_or_default();
    let rest = match target.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            return refuse("which is not https");
        }
        _ => match target.strip_prefix("//") {
            Some(rest) => rest,
            None if target.starts_with('/') => return Ok(target.to_owned()),
            None => return refuse("which is not understood"),
        },
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    match authority.parse::<ServerName>() {
        Ok(found) if found.host.eq_ignore_ascii_case(&server.host) && found.port == server.port => {
            Ok(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
        }
        _ => refuse("which is another server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::rfc3339;

    fn server() -> ServerName {
        "est.example:8443".parse().unwrap()
    }

    #[test]
    fn when_to_ask_again_is_bounded_on_both_sides() {
        let now = Time::from_unix_timestamp(784_111_777).unwrap();
        assert_eq!(rfc3339(now), "1994-11-06T08:49:37Z");
        for (field, seconds, is_noted) in [
            (Some("120"), 120, false),
            (Some(" 7 "), 7, false),
            (Some("0"), 1, false),
            (Some("86400"), 86_400, false),
            (Some("31536000"), 86_400, true),
            (Some("99999999999999999999999999"), 86_400, true),
            (Some("Sun, 06 Nov 1994 08:51:37 GMT"), 120, false),
            (Some("Sun, 06 Nov 1994 08:49:37 GMT"), 1, false),
            (Some("Sun, 06 Nov 1983 08:49:37 GMT"), 1, false),
            (Some("Sun, 06 Nov 2094 08:49:37 GMT"), 86_400, true),
            (Some("-5"), 60, true),
            (Some(""), 60, true),
            (Some("soon"), 60, true),
            (None, 60, true),
        ] {
            let response = Response::new(202);
            let response = match field {
                Some(field) => response.with("Retry-After", field),
                None => response,
            };
            let mut notes = Notes::default();
            let found = retry_after(&response, now, &mut notes);
            assert_eq!((found.as_secs(), !notes.0.is_empty()), (seconds, is_noted), "{field:?}");
        }
    }

    #[test]
    fn a_redirect_stays_at_its_server() {
        for (location, target) in [
            ("/est/simpleenroll", Some("/est/simpleenroll")),
            ("/a?b#c", Some("/a?b")),
            ("https://est.example:8443/a", Some("/a")),
            ("HTTPS://EST.example:8443/a", Some("/a")),
            ("//est.example:8443/a", Some("/a")),
            ("https://est.example:8443", Some("/")),
            ("https://est.example:8443?a", Some("/?a")),
            ("https://est.example/a", None),
            ("https://est.example:443/a", None),
            ("https://other.example:8443/a", None),
            ("//other.example:8443/a", None),
            ("https://est.example:8443@other.example/a", None),
            ("http://est.example:8443/a", None),
            ("ftp://est.example:8443/a", None),
            ("a", None),
            ("/a b", None),
            ("/a\r\nX: y", None),
            ("/\u{e4}", None),
            ("", None),
        ] {
            let response = Response::new(307).with("Location", location);
            assert_eq!(
                redirected(Operation::CaCertificates, &response, &server()).ok().as_deref(),
                target,
                "{location:?}"
            );
        }
        let error = redirected(Operation::CaCertificates, &Response::new(307), &server()).unwrap_err();
        assert_eq!(error.to_string(), "the server answered cacerts with a redirect that says no place");
    }

    #[test]
    fn a_reason_is_one_line_of_text_for_people() {
        let why = |response: &Response| match refusal(Operation::Enroll, response) {
            Error::Status { why, .. } => why,
            _ => panic!("another error"),
        };
        assert_eq!(why(&Response::text(403, "not \u{1b}[31myours")), "not \\u{1b}[31myours");
        assert_eq!(why(&Response::new(403).body(b"\r\n  first\nsecond".to_vec())), "first");
        assert_eq!(why(&Response::new(403).body(vec![b'x'; 4000])).len(), REASON_LENGTH);
        let page = Response::new(403).with("Content-Type", "text/html").body(b"<!doctype html>".to_vec());
        assert_eq!(why(&page), "");
        assert_eq!(why(&Response::new(403).body(vec![0xff, 0xfe])), "");
    }

    #[test]
    fn a_body_is_read_by_what_it_is_and_a_page_is_not() {
        let types = ["application/pkcs7-mime", "application/x-pkcs7-mime"];
        for (field, is_read, is_noted) in [
            (Some("application/pkcs7-mime; smime-type=certs-only"), true, false),
            (Some("Application/PKCS7-MIME;smime-type=\"Certs-Only\";;odd"), true, false),
            (Some("application/x-pkcs7-mime"), true, false),
            (Some("application/octet-stream"), true, true),
            (None, true, true),
            (Some("text/html; charset=utf-8"), false, false),
            (Some("application/pkcs10"), false, false),
            (Some(""), false, false),
        ] {
            let response = Response::new(200).body(b"aGFs\r\nbG8=\n".to_vec());
            let response = match field {
                Some(field) => response.with("Content-Type", field),
                None => response,
            };
            let mut notes = Notes::default();
            let read = body(Operation::CaCertificates, &response, &types, &mut notes);
            assert_eq!(read.is_ok(), is_read, "{field:?}");
            assert!(read.is_err() || **read.unwrap() == *b"hallo");
            assert_eq!(!notes.0.is_empty(), is_noted, "{field:?}");
        }
        let binary = Response::new(200).with("Content-Type", types[0]).body(vec![0x30, 0x82, 0x01]);
        assert!(body(Operation::CaCertificates, &binary, &types, &mut Notes::default()).is_err());
    }
}
