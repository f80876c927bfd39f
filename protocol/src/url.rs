//! Which URLs may be opened (`design/security.md`, *URLs*). Reads a URL as Chrome does before it
//! looks at the scheme: edges trimmed of spaces and control characters, tabs and line breaks gone.

use std::borrow::Cow;

/// `chrome-extension` has 16 characters.
const SCHEME_MAX: usize = 24;

/// What a URL is, as far as the rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlKind {
    /// `http:` or `https:`.
    Web,
    /// `about:blank`, with or without fragment.
    Blank,
    /// `blob:` or `data:`: only a page may go there, an agent does not navigate there.
    PageMade,
    /// `file:`: only under the roots.
    File,
    /// `chrome-error:`: a failed load, not a refusal.
    ErrorPage,
    /// Everything else, our own extension pages first of all.
    Refused,
}

/// Edges trimmed of spaces and control characters, tabs and line breaks gone.
fn as_chrome_reads(url: &str) -> String {
    url.trim_matches(|c: char| c <= ' ')
        .chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .collect()
}

/// Classifies `url` by its scheme as Chrome would read it.
#[must_use]
pub fn classify(url: &str) -> UrlKind {
    let text = as_chrome_reads(url);
    let Some((scheme, rest)) = text.split_once(':') else {
        return UrlKind::Refused;
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => UrlKind::Web,
        "about" => match rest.split(['#', '?']).next() {
            Some("blank") => UrlKind::Blank,
            Some(_) | None => UrlKind::Refused,
        },
        "data" => UrlKind::PageMade,
        // A blob belongs to the origin that it names; an opaque one names none.
        "blob" if rest.starts_with("null/") || is_web(rest) => UrlKind::PageMade,
        "file" => UrlKind::File,
        "chrome-error" => UrlKind::ErrorPage,
        _ => UrlKind::Refused,
    }
}

/// Whether the text begins with the scheme of web pages. A blob's origin has no scheme that could
/// hold another: nothing here goes deeper, however often a text says `blob:`.
fn is_web(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Whether an agent may ask for `url`: web pages and `about:blank`.
#[must_use]
pub fn may_request(url: &str) -> bool {
    match classify(url) {
        UrlKind::Web | UrlKind::Blank => true,
        UrlKind::PageMade | UrlKind::File | UrlKind::ErrorPage | UrlKind::Refused => false,
    }
}

/// Whether a page that was reached, by whatever way, may be read and acted on.
#[must_use]
pub fn may_stay(url: &str) -> bool {
    match classify(url) {
        UrlKind::Web | UrlKind::Blank | UrlKind::PageMade | UrlKind::ErrorPage => true,
        UrlKind::File | UrlKind::Refused => url.is_empty(),
    }
}

/// `url` as far as an agent may read it: whole where its page may be read too, else the scheme
/// with its colon, since an address of a browser's or another extension's page, or of a file, can
/// hold a secret. Empty when it has no scheme.
#[must_use]
pub fn tellable(url: &str) -> Cow<'_, str> {
    if may_stay(url) {
        return Cow::Borrowed(url);
    }
    let scheme = url.trim_matches(|c: char| c <= ' ').split_once(':');
    // RFC 3986, 3.1; everything else is no scheme, and longer ones are nobody's.
    let is_scheme = |text: &str| {
        text.len() <= SCHEME_MAX
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    };
    match scheme {
        Some((scheme, _)) if is_scheme(scheme) => {
            Cow::Owned(format!("{scheme}:").to_ascii_lowercase())
        }
        Some(_) | None => Cow::Borrowed(""),
    }
}

/// The name of a script as far as an agent may read it. Tools name scripts by schemes of their own
/// (`webpack-internal:///./src/App.js`), and pages as they like: here only what the browser, an
/// extension or the disk has is cut as by [`tellable`].
#[must_use]
pub fn tellable_script(name: &str) -> Cow<'_, str> {
    let is_hidden = |scheme: &str| {
        matches!(
            scheme,
            "blob" | "devtools" | "edge" | "file" | "filesystem" | "view-source"
        ) || scheme.starts_with("chrome")
            || scheme.ends_with("-extension")
    };
    if as_chrome_reads(name)
        .split_once(':')
        .is_some_and(|(scheme, _)| is_hidden(&scheme.to_ascii_lowercase()))
    {
        tellable(name)
    } else {
        Cow::Borrowed(name)
    }
}

/// Completes what people type: `example.com` becomes `https://example.com`, `localhost:3000`
/// becomes `http://localhost:3000`. A text that has a scheme is left as it is.
#[must_use]
pub fn complete(typed: &str) -> String {
    let typed = typed.trim_matches(|c: char| c <= ' ');
    let host = typed.split(['/', '?', '#']).next().unwrap_or_default();
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let is_host = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        && port.bytes().all(|b| b.is_ascii_digit());
    let local = name == "localhost" || name.starts_with("127.");
    match (is_host, local, name.contains('.')) {
        (true, true, _) => format!("http://{typed}"),
        (true, false, true) => format!("https://{typed}"),
        (true, false, false) | (false, _, _) => typed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_pages_and_the_blank_page_may_be_asked_for() {
        for good in [
            "http://a",
            "HTTPS://a/b",
            " https://a",
            "about:blank",
            "about:blank#il-7",
        ] {
            assert!(may_request(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            " \u{1}javascript:1",
            "chrome://settings",
            "chrome-extension://x/pairing.json",
            "view-source:http://a",
            "devtools://x",
            "file:///etc/passwd",
            "FILE:/etc",
            "data:text/html,x",
            "blob:http://a/x",
            "about:settings",
            "about:srcdoc",
            "filesystem:http://a/x",
            "chrome-error://chromewebdata/",
        ] {
            assert!(!may_request(bad), "{bad}");
        }
    }

    #[test]
    fn a_page_may_take_itself_to_data_but_not_to_files() {
        assert!(may_stay("data:text/html,x") && may_stay("chrome-error://chromewebdata/"));
        assert!(!may_stay("file:///etc/passwd") && !may_stay("chrome-extension://x/popup.html"));
        assert!(may_stay("blob:https://a/1") && may_stay("blob:null/1"));
        assert!(!may_stay("blob:chrome-extension://x/1") && !may_stay("blob:file:///1"));
    }

    #[test]
    fn a_blob_of_blobs_is_refused_however_many_there_are() {
        assert_eq!(classify("blob:blob:https://a/1"), UrlKind::Refused);
        let deep = format!("{}https://a/1", "blob:".repeat(200_000));
        assert_eq!(classify(&deep), UrlKind::Refused);
    }

    #[test]
    fn of_an_address_where_no_agent_may_be_only_the_scheme_is_told() {
        for whole in ["https://a/x?y", "about:blank#1", "data:text/html,x", ""] {
            assert_eq!(tellable(whole), whole);
        }
        for (url, told) in [
            ("chrome-extension://x/y?z", "chrome-extension:"),
            (" FILE:///etc", "file:"),
            ("blob:chrome-extension://x/1", "blob:"),
            ("a secret: word", ""),
            ("a", ""),
        ] {
            assert_eq!(tellable(url), told, "{url}");
        }
    }

    #[test]
    fn of_a_scripts_name_only_what_no_agent_may_know_of_is_cut() {
        for whole in [
            "",
            "a.js",
            "https://a/x.js",
            "webpack-internal:///./src/App.js",
            "webpack:///file:/x.js",
            "about:srcdoc",
            "blob:https://a/1",
            "a: b.js",
        ] {
            assert_eq!(tellable_script(whole), whole);
        }
        for (name, told) in [
            ("file:///home/me/x.js", "file:"),
            (" FILE:///home/me/x.js", "file:"),
            ("fi\nle:///home/me/x.js", ""),
            ("blob:chrome-extension://x/1", "blob:"),
            ("filesystem:chrome-extension://x/1", "filesystem:"),
            ("chrome://settings/x.js", "chrome:"),
            ("chrome-extension://x/y.js", "chrome-extension:"),
            ("moz-extension://x/y.js", "moz-extension:"),
            ("devtools://devtools/x.js", "devtools:"),
            ("view-source:https://a/", "view-source:"),
        ] {
            assert_eq!(tellable_script(name), told, "{name}");
        }
    }

    #[test]
    fn a_typed_host_becomes_a_url() {
        assert_eq!(complete("example.com/a?b"), "https://example.com/a?b");
        assert_eq!(complete("localhost:3000"), "http://localhost:3000");
        assert_eq!(complete("127.0.0.1:80/x"), "http://127.0.0.1:80/x");
        assert_eq!(complete("about:blank"), "about:blank");
        assert_eq!(complete("javascript:1.1"), "javascript:1.1");
    }
}
