//! Another user of the same machine: what stands in files they cannot read, and what listens tells
//! them what it tells anybody. Only root may play the other user; whoever else runs this looks at
//! the rights of the files instead.

use anyhow::{Context, Result};
use e2e::{World, ports_of};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `nobody` on Debian, and nobody's number elsewhere.
const OTHER: &str = "65534";

/// All that the other user gets from a shell command: stdout alone, errors are what is wanted.
fn as_other(command: &str) -> Result<String> {
    let done = Command::new("setpriv")
        .args(["--reuid", OTHER, "--regid", OTHER, "--clear-groups"])
        .args(["timeout", "10", "bash", "-c", command])
        .current_dir("/")
        .output()
        .context("running setpriv (util-linux)")?;
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Every file and folder below, the folder itself first.
fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    found.push(folder.to_owned());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            below(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// A server's answer to these bytes, as the other user gets it.
fn asked_as_other(port: u16, bytes: &[u8]) -> Result<String> {
    let printed: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    as_other(&format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{printed}' >&3; timeout 7 cat <&3"
    ))
}

/// A text message as a client sends it (RFC 6455, 5.2), masked with zeros.
fn message(text: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0x81, 0xfe];
    bytes.extend(u16::try_from(text.len())?.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

#[tokio::test]
async fn another_user_reads_no_secret_and_opens_no_session() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=mine")).await?;
    // Where the test's own folder is private, nobody would come so far.
    fs::set_permissions(world.folder(), fs::Permissions::from_mode(0o755))?;
    let mut private = Vec::new();
    below(&world.state(), &mut private)?;
    private.push(world.extension());
    private.push(world.extension().join("pairing.json"));
    assert!(private.len() > 6, "{private:?}");
    for path in &private {
        let about = fs::metadata(path)?;
        assert_eq!(about.mode() & 0o077, 0, "{}", path.display());
    }
    if as_other("id -u").unwrap_or_default().trim() != OTHER {
        eprintln!("not root: the rights were looked at, nobody tried them");
        return world.close().await;
    }
    assert_eq!(
        as_other(&format!("ls {}", world.folder().display()))?
            .lines()
            .count(),
        4
    );
    for path in &private {
        let path = path.display();
        let tried = format!(
            "cat '{path}'; ls -A '{path}'; head -c 9 '{path}'/*; touch '{path}' '{path}/new' && \
             echo touched; ln '{path}' /tmp/other-user-link && echo linked; chmod 777 '{path}' && \
             echo opened; mv '{path}' /tmp/other-user-moved && echo moved; true"
        );
        assert_eq!(as_other(&tried)?, "", "{path}");
    }
    let pid = one.pid();
    let tried = format!(
        "cd /proc/{pid}; cat environ mem maps io auxv; ls fd cwd/; readlink exe cwd fd/*; \
         kill -TERM {pid} && echo killed; kill -0 {pid} && echo signalled; true"
    );
    assert_eq!(as_other(&tried)?, "", "of the process");
    let port = *ports_of(pid)?.first().context("no port")?;
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    let probe = asked_as_other(
        port,
        format!("GET /.well-known/interlock HTTP/1.1\r\n{host}\r\n").as_bytes(),
    )?;
    assert!(probe.ends_with("\r\n\r\n{\"interlock\":1}"), "{probe}");
    for path in [
        "/",
        "/mcp",
        "/state/secret",
        "/../../secret",
        "/session/one",
    ] {
        let answer = asked_as_other(
            port,
            format!("GET {path} HTTP/1.1\r\n{host}\r\n").as_bytes(),
        )?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        assert!(head.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        assert_eq!(body, "", "{path}");
    }
    // A handshake as the extension's own, with the Origin that only a browser cannot forge.
    let hello = json!({"type": "hello", "versions": ["2.0"], "nonceExt": "11".repeat(32),
        "extensionId": "pccggijclfpjeomnfodccfggcnkogjdg", "browserId": "b", "browserName": "b"});
    let proof = json!({"type": "proof", "mac": "00".repeat(32)});
    let upgrade = format!(
        "GET / HTTP/1.1\r\n{host}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: interlock.2\r\n\
         Origin: chrome-extension://pccggijclfpjeomnfodccfggcnkogjdg\r\n\r\n"
    );
    let said = [
        upgrade.into_bytes(),
        message(&hello.to_string())?,
        message(&proof.to_string())?,
    ];
    let answer = asked_as_other(port, &said.concat())?;
    assert!(answer.contains("\"challenge\""), "{answer}");
    for word in ["helloAck", "session", "resumeToken", "label", "mac\""] {
        assert!(!answer.contains(word), "{answer}");
    }
    assert_eq!(one.read(tab, "document.title").await?, "mine");
    world.close().await
}
