//! What is generated from the command line's own description: completions, man pages, and the examples in the help.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use bulla::cli::generated::{completion_files, man_pages};

use crate::harness::Lab;

/// Compares a committed folder with what is generated now, or rewrites it under `BLESS=1`.
fn check(folder: &str, generated: Vec<(String, Vec<u8>)>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if std::env::var_os("BLESS").is_some() {
        if path.exists() {
            fs::remove_dir_all(&path).expect("the old files");
        }
        fs::create_dir(&path).expect("a folder");
        for (name, content) in &generated {
            fs::write(path.join(name), content).expect("a file");
        }
    }
    let committed: BTreeMap<String, Vec<u8>> = fs::read_dir(&path)
        .unwrap_or_else(|error| panic!("{folder}: {error}; run BLESS=1 cargo test --test it generated"))
        .map(|entry| {
            let entry = entry.expect("an entry");
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a file"))
        })
        .collect();
    let generated: BTreeMap<String, Vec<u8>> = generated.into_iter().collect();
    assert_eq!(committed.keys().collect::<Vec<_>>(), generated.keys().collect::<Vec<_>>(), "{folder}");
    for (name, content) in &generated {
        let same = committed[name] == *content;
        assert!(same, "{folder}/{name} is out of date; run BLESS=1 cargo test --test it generated");
    }
}

#[test]
fn the_committed_completions_are_those_of_the_command_line() {
    check("completions", completion_files());
}

#[test]
fn the_committed_man_pages_are_those_of_the_command_line() {
    check("man", man_pages().expect("man pages"));
}

#[test]
fn what_the_commands_print_is_what_is_committed() {
    let lab = Lab::new();
    for (name, content) in man_pages().expect("man pages") {
        let words = name.trim_end_matches(".1").replacen("bulla", "man", 1).replace('-', " ");
        assert_eq!(lab.bulla(&words).ok().stdout, content, "{words}");
    }
    for ((_, content), shell) in completion_files().into_iter().zip(["bash", "zsh", "fish"]) {
        assert_eq!(lab.bulla(&format!("completions {shell}")).ok().stdout, content, "{shell}");
    }
}

/// Every command, found by walking the help: `keygen`, `ca init`, ...
fn commands(lab: &Lab, words: &str) -> Vec<String> {
    let help = lab.bulla(&format!("{words} --help")).ok().text();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let subcommands: Vec<String> = names.map(|name| format!("{words} {name}").trim().to_owned()).collect();
    if subcommands.is_empty() {
        return vec![words.to_owned()];
    }
    subcommands.iter().flat_map(|words| commands(lab, words)).collect()
}

/// Examples that are not run, since they leave the folder, need a terminal, or a server.
const NOT_RUN: [&str; 8] = [
    "bulla ca serve acme --listen 127.0.0.1:8443 --server-name localhost --serve-profile idevid",
    "bulla ca serve acme --listen [::]:443 --server-name ca --serve-profile ldevid --vendor-ca m.pem",
    "bulla completions bash > /etc/bash_completion.d/bulla",
    "bulla doctor est://127.0.0.1:8443/idevid --format json",
    "bulla doctor est://ca.example --trust root.pem",
    "bulla enroll a.csr --profile idevid --ca est://ca --trust ca.pem --token-from env:T -o a.pem",
    "bulla man | man -l -",
    "bulla renew a.pem --key a.key --keep-key --profile idevid --ca est://ca --trust ca.pem -o b.pem",
];

/// What the examples find in their folder. The product that an example is about to write is taken away first.
const PREPARATION: &str = r#"
    printf 'firmware' > app.bin
    (head -c 32 /dev/zero; cat app.bin) > blank.bin
    bulla ca init acme --name Acme --no-passphrase
    bulla keygen -o device.key
    bulla keygen -o server.key
    bulla keygen -o firmware.key
    bulla keygen --public firmware.key -o firmware.pub
    bulla keygen --type ed25519 -o ed25519.key
    bulla csr device.key --profile idevid --serial SN-42 -o device.csr
    bulla enroll device.csr --profile idevid --ca acme -o device.pem
    bulla ca crl acme/device -o device.crl
    bulla enroll --key firmware.key --profile firmware --cn 'Acme 2026' --ca acme -o firmware.pem
    bulla sign app.bin --as raw --key firmware.key -o app.bin.sig
    bulla sign app.bin --as raw --public-key firmware.pub --prepare app
    openssl pkeyutl -sign -inkey firmware.key -pkeyopt digest:sha256 -in app.tbs -out app.sig
    bulla sign app.bin --as cms --key firmware.key --cert firmware.pem -o app.bin.p7s
    bulla imgtool sign -k firmware.key -v 1.2.3 -H 32 -S 65536 --pad-header app.bin app.signed.bin
    bulla sign app.bin --as esp32 --key firmware.key -o app-esp32.bin
    head -c -4096 app-esp32.bin | openssl dgst -sha256 -sign firmware.key -out app-esp32.sig
    cp acme/firmware/root.pem root.pem
    bulla enroll --key server.key --profile tls-server --cn est --dns est.acme.example --ca acme -o server.pem
    cp acme/device/root.pem roots.pem
    cp acme/firmware/root.key root.key
    bulla keygen -o new.key
    bulla keygen -o next.key
    bulla sign app.bin --as mcuboot --key firmware.key --version 1.2.3 --pad-header -o app.img
    mkdir bundle update
    head -c 16384 /dev/urandom > bundle/rootfs.img
    printf '%s\n' '[update]' compatible=my-board version=1 '[image.rootfs]' filename=rootfs.img > bundle/manifest.raucm
    bulla sign bundle/ --as rauc --key firmware.key --cert firmware.pem -o update.raucb
    cp app.bin update/
    digest=$(sha256sum < app.bin | cut -c1-64)
    printf '%s\n' 'software = { version = "1"; hardware-compatibility = [ "1.0" ];' \
        "images: ( { filename = \"app.bin\"; type = \"raw\"; device = \"/dev/null\"; sha256 = \"$digest\"; } ); }" > update/sw-description
    bulla csr new.key --profile idevid --serial SN-42 -o new.csr
    bulla ca audit acme/device -o kept.jsonl
    bulla ca init line8 --name Acme --hierarchy device --request-only --no-passphrase
    openssl x509 -req -in line8/device/issuing.csr -CA root.pem -CAkey root.key -copy_extensions copyall -days 3650 -out line8.pem
    printf '%s\n' 'schema = "bulla.profile/1"' 'name = "gateway"' 'extends = "idevid"' \
        'subject = [{ attribute = "serialNumber", value = "{serial}" }, { attribute = "CN", value = "GW-{serial}" }]' \
        '[variables]' 'serial = { type = "text", max-length = 20 }' > gateway.toml
    printf '{"id":"app.bin","message":"%s","signature":"%s","key":"%s","algorithm":"ecdsa-sha256"}\n' \
        "$(base64 -w0 app.bin)" "$(base64 -w0 app.bin.sig)" "$(openssl pkey -pubin -in firmware.pub -outform DER | base64 -w0)" \
        > questions.jsonl
    openssl cms -sign -binary -nodetach -in app.bin -signer firmware.pem -certfile acme/firmware/issuing.pem -inkey firmware.key \
        -outform DER -out app.p7m
    python3 - <<'END'
import sqlite3
sqlite3.connect('acme/ca.db').executescript("""
    INSERT INTO token VALUES
        (1, x'1a2b3c4d', 'device', 'est', 'idevid', 'SN-42', 'serialNumber=SN-42', '', 0, 1, 1, NULL);
    INSERT INTO request VALUES
        (7, 'device', 'idevid', 'serialNumber=SN-7', x'07', x'', 'serialNumber=SN-7', '', '', 0, 'waiting', NULL),
        (8, 'device', 'idevid', 'serialNumber=SN-8', x'08', x'', 'serialNumber=SN-8', '', '', 0, 'waiting', NULL),
        (9, 'device', 'idevid', 'serialNumber=SN-42', x'09', x'', 'serialNumber=SN-42', '', '', 0, 'waiting', NULL);
""")
END
"#;

/// Runs a shell script with `bulla` on the path.
fn shell(lab: &Lab, script: &str) {
    let binaries = Path::new(env!("CARGO_BIN_EXE_bulla")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script]).current_dir(lab.path("")).stdin(std::process::Stdio::null());
    command.env("PATH", format!("{}:{path}", binaries.display())).env("PASS", "secret").env("CA_PASS", "secret");
    lab.finish(command).ok();
}

#[test]
fn every_command_has_examples_and_every_example_works() {
    let lab = Lab::new();
    shell(&lab, PREPARATION);
    let mut not_run = Vec::new();
    for words in commands(&lab, "") {
        let help = lab.bulla(&format!("{words} --help")).ok().text();
        // What stands beside them, as openssl's line for a signature, is no example of ours.
        let shown = help.lines().filter_map(|line| line.strip_prefix("  $ "));
        let examples: Vec<&str> = shown.filter(|line| !line.starts_with("openssl ")).collect();
        assert!(!examples.is_empty(), "{words} has no example");
        for example in examples {
            assert!(example.starts_with(&format!("bulla {words}")), "{example} stands in the help of {words}");
            if NOT_RUN.contains(&example) {
                not_run.push(example.to_owned());
                continue;
            }
            // Each example has the folder to itself.
            let own = Lab::new();
            let from = lab.path("");
            shell(&own, &format!("cp -a '{}'/. .", from.display()));
            let words: Vec<&str> = example.split_whitespace().collect();
            let output = words.windows(2).find(|pair| pair[0] == "-o" || pair[..] == ["ca", "init"]);
            let taken = output.map(|pair| if pair[0] == "-o" { pair[1] } else { words[3] });
            let prepared = words.windows(2).find(|pair| pair[0] == "--prepare").map(|pair| pair[1]);
            let taken_away = match (taken, prepared) {
                (Some(taken), _) => format!("rm -rf {taken}"),
                (None, Some(name)) => format!("rm {name}.json {name}.tbs"),
                (None, None) => String::new(),
            };
            shell(&own, &format!("{taken_away}\n{example}"));
            assert!(taken.is_none_or(|taken| own.has(taken)), "{example} did not write its output");
        }
    }
    not_run.sort();
    assert_eq!(not_run, NOT_RUN, "the list of exceptions is exact");
}
