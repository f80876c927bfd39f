//! Short scripts: what a few agents do in a world where nothing goes wrong, so that one fault can be
//! tried at every single step of each.

use std::time::Duration;

/// Something that happens, in order.
#[derive(Clone, Copy, Debug)]
pub enum Line {
    /// An agent calls a tool.
    Ask(Ask),
    /// Until every call of this agent is answered.
    Answered(usize),
    /// So long.
    Pause(Duration),
    /// A server is told to end by its client.
    End(usize),
    /// A server is killed.
    Kill(usize),
    /// A server starts again, as who it was.
    Start(usize),
    /// Where nothing strikes, this agent now owns so many tabs.
    Owns(usize, usize),
    /// Chrome unloads a tab of this agent's: it goes on under another id.
    Discard(usize),
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Whose.
    pub agent: usize,
    /// Which tool.
    pub tool: &'static str,
    /// JSON; `$act` stands for a number that no other call has, `$ref` for the element that can be
    /// clicked in the agent's last snapshot, `$alias` for the first other agent's alias.
    pub payload: &'static str,
    /// Names the last tab of this agent.
    pub on_tab_of: Option<usize>,
}

/// A script. What it has done `before` is not struck at.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// What it is called, on one line.
    pub name: &'static str,
    /// How many servers, each with one agent.
    pub servers: usize,
    /// Until everybody is where the script begins.
    pub before: &'static [Line],
    /// The script.
    pub lines: &'static [Line],
    /// What its runs must have met, all together.
    pub meets: &'static [&'static str],
    /// What follows it.
    pub end: End,
}

/// What follows a script and what struck in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everybody is found, asks once more and is answered, and ends.
    Served,
    /// No server comes back: the graces end by themselves.
    Forsaken,
}

const fn ask(agent: usize, tool: &'static str, payload: &'static str) -> Line {
    Line::Ask(Ask {
        agent,
        tool,
        payload,
        on_tab_of: None,
    })
}

const fn on_tab_of(other: usize, agent: usize, tool: &'static str, payload: &'static str) -> Line {
    Line::Ask(Ask {
        agent,
        tool,
        payload,
        on_tab_of: Some(other),
    })
}

const ACT: &str = r#"{"function": "() => act($act)"}"#;
const OPENS: Line = ask(0, "browser_evaluate", ACT);
const LOOKS: Line = ask(0, "browser_snapshot", "{}");
const FIRST: Line = Line::Answered(0);
const SECOND: Line = Line::Answered(1);
/// Longer than a stated end keeps a session.
const PAST_ENDING: Line = Line::Pause(Duration::from_secs(12));

/// Every script.
pub const ALL: &[Script] = &[
    Script {
        name: "open and evaluate",
        servers: 1,
        before: &[],
        lines: &[
            OPENS,
            FIRST,
            ask(
                0,
                "browser_navigate",
                r#"{"url": "https://site.example/1"}"#,
            ),
            FIRST,
            OPENS,
            FIRST,
            Line::Owns(0, 1),
        ],
        meets: &[
            "fault: set landed and remove did not",
            "fault: write lost with the worker",
            "state: answered by what a dead worker had kept",
        ],
        end: End::Served,
    },
    Script {
        name: "click",
        servers: 1,
        before: &[OPENS, FIRST],
        lines: &[
            LOOKS,
            FIRST,
            ask(0, "browser_click", r#"{"target": "$ref"}"#),
            FIRST,
        ],
        meets: &[
            "asked: browser_click",
            "state: button held at the worker's death",
            "state: screencast on at the worker's death",
        ],
        end: End::Served,
    },
    Script {
        name: "right click",
        servers: 1,
        before: &[OPENS, FIRST, LOOKS, FIRST],
        lines: &[
            ask(
                0,
                "browser_click",
                r#"{"target": "$ref", "button": "right"}"#,
            ),
            FIRST,
        ],
        meets: &["state: button held at the worker's death"],
        end: End::Served,
    },
    Script {
        name: "key",
        servers: 1,
        before: &[OPENS, FIRST],
        lines: &[
            ask(0, "browser_press_key", r#"{"key": "Control+Shift+Enter"}"#),
            FIRST,
        ],
        meets: &["state: button held at the worker's death"],
        end: End::Served,
    },
    Script {
        name: "type",
        servers: 1,
        before: &[OPENS, FIRST, LOOKS, FIRST],
        lines: &[
            ask(0, "browser_type", r#"{"target": "$ref", "text": "hello"}"#),
            FIRST,
        ],
        meets: &[],
        end: End::Served,
    },
    Script {
        name: "dialog",
        servers: 1,
        before: &[OPENS, FIRST],
        lines: &[
            ask(
                0,
                "browser_evaluate",
                r#"{"function": "() => { act($act); alert('x') }"}"#,
            ),
            FIRST,
            ask(0, "browser_handle_dialog", r#"{"accept": true}"#),
            FIRST,
            OPENS,
            FIRST,
        ],
        meets: &["chrome: dialog"],
        end: End::Served,
    },
    Script {
        name: "popup",
        servers: 1,
        before: &[OPENS, FIRST],
        lines: &[
            ask(
                0,
                "browser_evaluate",
                r#"{"function": "() => { act($act); open() }"}"#,
            ),
            FIRST,
            Line::Pause(Duration::from_millis(600)),
            on_tab_of(0, 0, "browser_evaluate", ACT),
            FIRST,
            Line::Owns(0, 2),
        ],
        meets: &["chrome: popup", "state: popup that only a dead worker knew"],
        end: End::Served,
    },
    Script {
        name: "new tab",
        servers: 1,
        before: &[OPENS, FIRST],
        lines: &[
            ask(
                0,
                "browser_tabs",
                r#"{"action": "new", "url": "https://site.example/new"}"#,
            ),
            FIRST,
            OPENS,
            FIRST,
            Line::Owns(0, 2),
        ],
        meets: &[],
        end: End::Served,
    },
    Script {
        name: "close",
        servers: 1,
        before: &[OPENS, FIRST],
        lines: &[
            ask(0, "browser_tabs", r#"{"action": "close"}"#),
            FIRST,
            ask(0, "browser_tabs", r#"{"action": "list"}"#),
            FIRST,
            Line::Owns(0, 0),
        ],
        meets: &["fault: worker died between unloading and closing a tab"],
        end: End::Served,
    },
    Script {
        name: "release to a claim",
        servers: 2,
        before: &[OPENS, FIRST],
        lines: &[
            on_tab_of(0, 1, "browser_evaluate", ACT),
            Line::Pause(Duration::from_millis(50)),
            ask(0, "browser_tabs", r#"{"action": "release"}"#),
            FIRST,
            SECOND,
            Line::Owns(0, 0),
            Line::Owns(1, 1),
        ],
        meets: &["core: claim waits"],
        end: End::Served,
    },
    Script {
        name: "hand-over",
        servers: 2,
        before: &[OPENS, FIRST, ask(0, "browser_session", "{}"), FIRST],
        lines: &[
            ask(
                0,
                "browser_tabs",
                r#"{"action": "handoff", "to": "$alias"}"#,
            ),
            FIRST,
            ask(1, "browser_evaluate", ACT),
            SECOND,
            Line::Owns(0, 0),
            Line::Owns(1, 1),
        ],
        meets: &[],
        end: End::Served,
    },
    Script {
        name: "goodbye",
        servers: 1,
        before: &[OPENS, FIRST],
        lines: &[
            OPENS,
            Line::End(0),
            PAST_ENDING,
            Line::Start(0),
            ask(0, "browser_tabs", r#"{"action": "new"}"#),
            FIRST,
            OPENS,
            FIRST,
            Line::Owns(0, 1),
        ],
        meets: &["session: ending"],
        end: End::Served,
    },
    Script {
        name: "server restart",
        servers: 1,
        before: &[OPENS, FIRST],
        lines: &[
            OPENS,
            Line::Pause(Duration::from_millis(5)),
            Line::Kill(0),
            Line::Pause(Duration::from_millis(500)),
            Line::Start(0),
            OPENS,
            FIRST,
            Line::Owns(0, 1),
        ],
        meets: &[],
        end: End::Served,
    },
    Script {
        name: "discarded tab",
        servers: 1,
        before: &[OPENS, FIRST],
        lines: &[
            Line::Discard(0),
            Line::Pause(Duration::from_millis(20)),
            OPENS,
            FIRST,
            Line::Owns(0, 1),
        ],
        meets: &["chrome: tab unloaded, under another id"],
        end: End::Served,
    },
    Script {
        name: "nobody comes back",
        servers: 2,
        before: &[
            OPENS,
            FIRST,
            ask(0, "browser_tabs", r#"{"action": "new"}"#),
            FIRST,
            ask(1, "browser_evaluate", ACT),
            SECOND,
        ],
        lines: &[
            Line::Kill(0),
            Line::Pause(Duration::from_millis(20)),
            Line::Kill(1),
            Line::Pause(Duration::from_millis(20)),
        ],
        meets: &[
            "core: session ended",
            "state: restored tab is its session's again",
        ],
        end: End::Forsaken,
    },
];
