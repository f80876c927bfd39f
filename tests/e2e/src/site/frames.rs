//! Pages of frames inside frames.

use super::Request;
use super::pages::escape;

/// A page with a frame of its own site, `near`, and what `far` names in another, which may be
/// styled (`style`) and covered (`cover`).
pub(super) fn outer(request: &Request) -> String {
    let cover = match request.get("cover") {
        "" => "",
        _ => "<div id=cover style='position:fixed;inset:0;background:#fff8'></div>",
    };
    format!(
        "<h1>Frames</h1><button onclick=\"hit('outside')\">Outside</button>\
         <iframe id=near title=near src='/frame?name=near' style='border:7px solid;padding:9px'>\
         </iframe><iframe id=far title=far src='{}' width=560 height=420 \
         style='margin:30px 0 0 50px;border:3px solid;{}'></iframe>\
         <iframe title=sandboxed sandbox=allow-scripts srcdoc='<p>In the sandbox</p>'></iframe>\
         {cover}",
        escape(request.get("far")),
        escape(request.get("style")),
    )
}

/// A page that fits into a frame: things to click, fill and choose; and another frame if `deep`
/// names one.
pub(super) fn inner(name: &str, request: &Request) -> String {
    let deep = match request.get("deep") {
        "" => String::new(),
        deep => format!(
            "<iframe title=deep src='{}' width=500 height=240></iframe>",
            escape(deep)
        ),
    };
    format!(
        "<button onclick=\"hit('{name}')\">Count {name}</button> \
         <button onmouseover=\"hit('over {name}')\">Hover {name}</button> \
         <label>Text {name} <input></label> <label>Size {name} <select><option>Small\
         <option>Big</select></label>{deep}<script>console.log('loaded {name}');\
         hit('loaded {name}')</script>"
    )
}

/// A button far below, in a page that is as tall as its frame.
pub(super) fn tall(name: &str) -> String {
    format!(
        "<div style='height:2600px'></div><button onclick=\"hit('{name}')\">Count {name}</button>"
    )
}

/// A document that Chrome shows with a viewer of its own, which is an extension.
pub(super) const PAPER: &str = "<h1>Paper</h1><button onclick=\"hit('beside')\">Beside</button>\
    <iframe title=paper src='/paper.pdf' width=400 height=300></iframe>";

/// One empty page.
pub(super) const PDF: &str = "%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj \
    2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj \
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 144]>>endobj\ntrailer<</Root 1 0 R>>";
