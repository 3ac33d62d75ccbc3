//! Whether a certificate is for whom was asked for (RFC 9525 section 6): by its subjectAltName alone, never by its subject.

use super::{AltName, Certificate, Refusal};

/// Whether `leaf` has `wanted` among its alternative names. A DNS name may be matched by a wildcard.
pub(super) fn check(leaf: &Certificate, wanted: &AltName) -> Result<(), Refusal> {
    let refuse = |why| Err(Refusal::other_name(leaf, wanted, why));
    let presented = leaf.alt_names().map_err(Refusal::unreadable(leaf))?;
    let is_presented = match wanted {
        AltName::Dns(host) if !is_host(host) => return refuse("that is not the name of a host"),
        AltName::Dns(host) => presented.iter().any(|name| matches!(name, AltName::Dns(name) if names_host(name, host))),
        AltName::Email(address) => {
            presented.iter().any(|name| matches!(name, AltName::Email(name) if same_mailbox(name, address)))
        }
        wanted => presented.contains(wanted),
    };
    match (is_presented, presented.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => refuse("it has no subjectAltName"),
        (false, false) => refuse("its subjectAltName has other names"),
    }
}

/// Whether a DNS name is that of a host: without wildcard and underscores, the last label not all digits, which would be
/// an address.
pub(super) fn is_host(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    AltName::dns(name).is_ok() && !name.contains(['*', '_']) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a presented DNS name is that of `host`: equal but for case, or a wildcard as the whole left-most label that
/// stands for exactly one label (RFC 9525 section 6.3).
fn names_host(presented: &str, host: &str) -> bool {
    match (presented.strip_prefix("*."), host.split_once('.')) {
        (Some(domain), Some((_, rest))) => domain.eq_ignore_ascii_case(rest) && is_host(domain),
        (Some(_), None) => false,
        (None, _) => presented.eq_ignore_ascii_case(host) && is_host(presented),
    }
}

/// The local part compares by its bytes, the host but for case (RFC 5280 section 7.5).
fn same_mailbox(one: &str, other: &str) -> bool {
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((local, host)), Some((other_local, other_host))) => {
            local == other_local && host.eq_ignore_ascii_case(other_host)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_match_by_label() {
        for (presented, host) in [
            ("example.com", "EXAMPLE.com"),
            ("*.example.com", "a.example.com"),
            ("*.Example.com", "xn--n3h.example.com"),
        ] {
            assert!(names_host(presented, host), "{presented} {host}");
        }
        for (presented, host) in [
            ("*.example.com", "example.com"),
            ("*.example.com", "a.b.example.com"),
            ("a.*.com", "a.b.com"),
            ("f*.example.com", "foo.example.com"),
            ("*", "example"),
            ("*.", "example."),
            ("example.com.", "example.com"),
            ("*.8.8.8", "8.8.8.8"),
        ] {
            assert!(!names_host(presented, host), "{presented} {host}");
        }
    }

    #[test]
    fn mailboxes_match_by_host_and_exact_local_part() {
        assert!(same_mailbox("Line7@Factory.example", "Line7@factory.EXAMPLE"));
        assert!(!same_mailbox("line7@factory.example", "Line7@factory.example"));
    }
}
