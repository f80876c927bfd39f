//! The pages of the site: a path and its query in, one HTML text out.
//!
//! `name` (or `who`) tells copies of a page apart: it stands in title, heading and counters.

use super::{Request, controls, frames};
use std::fmt::Write as _;

pub(super) struct Page {
    pub(super) status: &'static str,
    pub(super) kind: &'static str,
    pub(super) location: Option<String>,
    pub(super) body: String,
}

impl Page {
    fn html(title: &str, body: &str) -> Self {
        let title = escape(title);
        Self {
            status: "200 OK",
            kind: "text/html; charset=utf-8",
            location: None,
            body: format!(
                "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>\
                 <style>body{{font:16px/1.5 system-ui;margin:2rem;max-width:46rem;color:#234}}\
                 button,input{{font:inherit;padding:.3rem .6rem}}td,th{{padding:.1rem .8rem;\
                 text-align:left}}output{{font-weight:bold}}</style>\
                 <script>const hit=(name)=>fetch('/hit?name='+encodeURIComponent(name),\
                 {{keepalive:true}});const say=(text)=>{{document.querySelector('output')\
                 .textContent=text}}</script>{body}</html>"
            ),
        }
    }
}

pub(super) fn page(request: &Request) -> Page {
    let name = match (request.get("name"), request.get("who")) {
        ("", "") => "nobody",
        ("", who) => who,
        (name, _) => name,
    };
    let safe = escape(name);
    match request.path.as_str() {
        "/" => Page::html(
            "Orchard",
            "<h1>Orchard</h1><ul><li><a href='/shop?name=apples'>Apples</a>\
             <li><a href='/shop?name=pears'>Pears</a><li><a href='/table'>Stock</a></ul>",
        ),
        "/shop" => Page::html(&format!("Shop {name}"), &shop(&safe)),
        "/greet" => Page::html(
            &format!("Greeting {name}"),
            &format!("<h1>Hello, {safe}</h1><p><a href='/'>Home</a></p>"),
        ),
        "/form" => Page::html(
            "Form",
            "<h1>Form</h1><form action='/greet'><label>Name <input name=name></label> \
             <button>Send</button></form>",
        ),
        "/table" => Page::html("Stock", &table()),
        // The delay itself is served before any page is written.
        "/slow" => Page::html(name, &format!("<h1>{safe}</h1><p id=who>{safe}</p>")),
        "/counter" => Page::html(&format!("Counter {name}"), &counter(&safe)),
        "/popups" => Page::html(&format!("Popups {name}"), &popups(&safe)),
        "/dialogs" => Page::html("Dialogs", DIALOGS),
        "/onload-alert" => Page::html(
            "Greets at once",
            "<h1>Greets at once</h1><output></output>\
             <script>onload=()=>{alert('from onload');say('closed')}</script>",
        ),
        "/paint" => Page::html(&format!("Paint {name}"), &paint(&safe, request)),
        "/leaving" => Page::html(
            "Leaving",
            "<h1>Leaving</h1><button>Touch</button> <output></output><script>\
             addEventListener('beforeunload',(event)=>event.preventDefault());\
             document.querySelector('button').onclick=()=>say('touched')</script>",
        ),
        "/unfinished" => Page::html(
            "Unfinished",
            &format!("<img src='/slow?delay=600000' alt=''>{}", counter(&safe)),
        ),
        // Asks for it when the tab has told all of its own loading.
        "/prerender" => Page::html(
            "Prerender",
            &format!(
                "<a href='/counter?name={safe}'>Go on</a><script>onload=()=>setTimeout(()=>{{\
                 const rules=document.createElement('script');rules.type='speculationrules';\
                 rules.textContent=JSON.stringify({{prerender:[{{urls:['/counter?name={safe}'],\
                 eagerness:'immediate'}}]}});document.head.append(rules)}},500)</script>"
            ),
        ),
        "/closing" => Page::html(
            "Closing",
            "<button onclick=\"window.open('/closing?who=child')\">Open</button>\
             <button onclick='window.close()'>Close</button>",
        ),
        "/edge" => Page::html(
            "Edge",
            "<button style='position:fixed;bottom:0;left:9rem;padding:0;height:1.2rem' \
             onclick=\"hit('edge')\">At the edge</button>",
        ),
        "/observer" => Page::html("Observer", OBSERVER),
        "/console" => Page::html(&format!("Console {name}"), &console(&safe)),
        "/busy" => Page::html("Busy", &busy(request.number("ms"))),
        "/endless" => Page::html(
            "Endless",
            "<h1>Endless</h1><button onclick='for(;;){}'>Run for ever</button>",
        ),
        "/keys" => Page::html("Keys", controls::KEYS),
        "/menu" => Page::html("Menu", controls::MENU),
        "/lists" => Page::html("Lists", controls::LISTS),
        "/frames" => Page::html("Frames", &frames::outer(request)),
        "/frame" => Page::html(name, &frames::inner(&safe, request)),
        "/tall-frame" => Page::html("Tall", &frames::tall(&safe)),
        "/paper" => Page::html("Paper", frames::PAPER),
        "/paper.pdf" => Page {
            kind: "application/pdf",
            body: frames::PDF.into(),
            ..Page::html("", "")
        },
        "/asks" => Page::html("Asks", controls::ASKS),
        "/loud" => Page::html("Loud", controls::LOUD),
        "/style.css" => Page {
            kind: "text/css",
            body: "h1 { color: teal }".into(),
            ..Page::html("", "")
        },
        "/links" => Page::html("Links", &links(request.get("to"))),
        "/redirect" => Page {
            status: "302 Found",
            kind: "text/plain",
            location: Some(request.get("to").replace(['\r', '\n'], "")),
            body: String::new(),
        },
        "/hit" | "/favicon.ico" => Page {
            status: "204 No Content",
            kind: "text/plain",
            location: None,
            body: String::new(),
        },
        _ => Page {
            status: "404 Not Found",
            ..Page::html("Not here", "<h1>Not here</h1>")
        },
    }
}

/// For the tab in front: it notes whatever a page can notice of somebody else's doings.
const OBSERVER: &str = "<textarea autofocus style='width:100%;height:20rem'></textarea><script>\
    const noticed=[];const note=(event)=>noticed.push([event.type,event.key??event.data??\
    (event.type==='visibilitychange'?document.visibilityState:'')].join(' ').trim());\
    for(const type of ['visibilitychange','keydown','keyup','beforeinput','pointerdown','pointerup',\
    'pointermove','pointerover','mousedown','mouseup','mousemove','click','auxclick','contextmenu',\
    'wheel','scroll','focusin','focusout','fullscreenchange','selectstart'])\
    document.addEventListener(type,note,true);\
    for(const type of ['focus','blur','pagehide','pageshow','beforeunload'])addEventListener(type,\
    (event)=>event.target===window&&note(event));</script>";

fn shop(name: &str) -> String {
    format!(
        "<h1>Shop {name}</h1><p>A pound of {name} for <b>three</b> coins.</p>\
         <label>Note <input id=note></label> <button id=order>Order {name}</button>\
         <p><output></output></p><script>let n=0;order.onclick=()=>{{n+=1;hit('order {name}');\
         say('ordered '+n+' {name}: '+note.value)}}</script>"
    )
}

fn counter(name: &str) -> String {
    format!(
        "<h1>Counter {name}</h1><button id=count>Count {name}</button> <output>0</output>\
         <script>let n=0;count.onclick=()=>{{n+=1;hit('{name}');say(n)}}</script>"
    )
}

/// Of one colour, so that a picture of it is told from any other's.
fn paint(name: &str, request: &Request) -> String {
    let color = escape(request.get("color"));
    format!(
        "<style>body{{background:#{color};margin:0;padding:4rem;max-width:none}}</style>\
         <button id=count>Count {name}</button> <label>Note <input id=note></label>\
         <script>count.onclick=()=>hit('{name}');\
         count.onpointerenter=()=>hit('over {name}');note.oninput=()=>{{note.title=note.value}}</script>"
    )
}

fn table() -> String {
    let mut rows = String::from("<h1>Stock</h1><table><tr><th>Item<th>Price<th>Left</tr>");
    for row in 1..=100 {
        // Writing to a string cannot fail.
        let _ = write!(
            rows,
            "<tr><td>Item {row}</td><td>{}.50</td><td>{}</td></tr>",
            row * 3 % 40,
            row * 7 % 13
        );
    }
    rows + "</table>"
}

/// A popup's page names its opener, so that a test sees whose it should be.
fn popups(name: &str) -> String {
    format!(
        "<h1>Popups {name}</h1><button id=window>Open window</button> \
         <a target=_blank rel=opener href='/slow?name=linked-{name}'>Open link</a> \
         <button id=storm>Open many</button> <button id=small>Open small</button> \
         <output></output><script>small.onclick=()=>open('/slow?name=small-{name}','_blank',\
         'popup,width=400,height=300');\
         document.getElementById('window').onclick=()=>{{open('/slow?name=opened-{name}');\
         say('opened')}};storm.onclick=()=>{{for(let i=0;i<5;i++)open('/slow?name=storm-{name}')}}\
         </script>"
    )
}

const DIALOGS: &str = "<h1>Dialogs</h1>\
    <button onclick=\"hit('alert');alert('look here');say('alert closed')\">Alert</button> \
    <button onclick=\"say('confirmed '+confirm('are you sure'))\">Confirm</button> \
    <button onclick=\"say('answer '+prompt('your name'))\">Prompt</button> \
    <button onclick=\"hit('plain');say('plain')\">Plain</button> <output></output>";

fn console(name: &str) -> String {
    format!(
        "<h1>Console {name}</h1><button id=fail>Fail {name}</button>\
         <button id=speak>Speak {name}</button><script>console.log('loaded {name}');\
         speak.onclick=()=>{{console.warn('warned {name}')}};\
         fail.onclick=()=>{{console.error('failed {name}');hit('failed {name}')}}</script>"
    )
}

fn busy(ms: u64) -> String {
    format!(
        "<h1>Busy</h1><button id=run>Run on</button> <output></output><script>\
         run.onclick=()=>{{const end=performance.now()+{ms};while(performance.now()<end);\
         hit('ran');say('ran')}}</script>"
    )
}

fn links(to: &str) -> String {
    let (safe, script) = (escape(to), escape(&format!("{to:?}")));
    format!(
        "<h1>Links</h1><a href=\"{safe}\">Go</a> <a target=_blank href=\"{safe}\">Go in a new tab</a> \
         <button onclick=\"open({script})\">Open</button> \
         <button onclick=\"location.href={script}\">Assign</button>"
    )
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
