//! Where a server is, and what the environment says of the way: the server, the proxy and its exceptions, a line each.

#![no_main]

use bulla::net::{Proxy, ServerName};
use bulla_fuzz::assert_printable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let Ok(server) = lines.next().unwrap_or_default().parse::<ServerName>() else { return };
    let written = server.to_string();
    assert_printable(&written);
    assert_eq!(written.parse(), Ok(server.clone()));
    let (proxy, except) = (lines.next(), lines.next());
    let variable = |name: &str| match name {
        "https_proxy" => proxy.map(str::to_owned),
        "no_proxy" => except.map(str::to_owned),
        _ => None,
    };
    match Proxy::for_server(&server, variable) {
        Ok(Some(proxy)) => assert_eq!(proxy.server.to_string().parse(), Ok(proxy.server)),
        Ok(None) => {}
        Err(error) => assert_printable(error),
    }
});
