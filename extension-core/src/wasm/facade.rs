//! The state properties of `self.MultiInstanceManager` (seed 000), drawn anew from the view each
//! time they are read: whoever changes what they hold changes nothing.

use super::{convert, log, view};
use crate::view::{InstanceState, InstanceView, View};
use js_sys::Map;
use protocol::command;
use serde_json::{Value, json};
use wasm_bindgen::JsValue;

/// `undefined` for a name that is none.
pub(super) fn property(name: &str) -> JsValue {
    match name {
        "messageHandlers" => convert::to_js(&json!(command::NAMES)),
        "log" => convert::to_js(&json!(log::lines())),
        _ => drawn(name, &view()),
    }
}

/// Those that the view holds.
pub(super) fn drawn(name: &str, view: &View) -> JsValue {
    match name {
        "tabLocks" => map(tab_locks(view)),
        "waitQueues" => map(wait_queues(view)),
        "instances" => map(instances(view)),
        "socketToInstance" => map(socket_to_instance(view)),
        "view" => convert::to_js(&json!(view)),
        _ => JsValue::UNDEFINED,
    }
}

fn map(entries: Vec<(Value, Value)>) -> JsValue {
    let map = Map::new();
    for (key, value) in entries {
        map.set(&convert::to_js(&key), &convert::to_js(&value));
    }
    map.into()
}

/// Tab id → session id of its owner.
fn tab_locks(view: &View) -> Vec<(Value, Value)> {
    let owned = |instance: &InstanceView| -> Vec<_> {
        let owner = json!(instance.session_id);
        let tabs = instance.tabs.iter();
        tabs.map(|tab| (json!(tab.tab_id), owner.clone())).collect()
    };
    view.instances.iter().flat_map(owned).collect()
}

/// Tab id → session ids of those who wait, first come first; tabs without are left out.
fn wait_queues(view: &View) -> Vec<(Value, Value)> {
    let named = |alias: &_| {
        let mut instances = view.instances.iter();
        let waiter = instances.find(|instance| instance.alias == *alias);
        waiter.map_or_else(|| json!(alias), |waiter| json!(waiter.session_id))
    };
    view.instances
        .iter()
        .flat_map(|instance| &instance.tabs)
        .filter(|tab| !tab.waiters.is_empty())
        .map(|tab| (json!(tab.tab_id), tab.waiters.iter().map(named).collect()))
        .collect()
}

/// Session id → what there is to know of it.
fn instances(view: &View) -> Vec<(Value, Value)> {
    let entry = |instance: &InstanceView| (json!(instance.session_id), json!(instance));
    view.instances.iter().map(entry).collect()
}

/// A socket's address → the session ids that it carries: one, or on a hub many.
fn socket_to_instance(view: &View) -> Vec<(Value, Value)> {
    let mut sockets = protocol::SortedMap::<u16, Vec<Value>>::new();
    for instance in &view.instances {
        if let Some(port) = connected_port(instance) {
            let carried = sockets.entry(port).or_default();
            carried.push(json!(instance.session_id));
        }
    }
    let named =
        |(port, carried): (u16, Vec<_>)| (json!(format!("ws://127.0.0.1:{port}/")), json!(carried));
    sockets.into_iter().map(named).collect()
}

fn connected_port(instance: &InstanceView) -> Option<u16> {
    match instance.state {
        InstanceState::Connected | InstanceState::Standby => instance.port,
        InstanceState::Orphaned | InstanceState::Ending => None,
    }
}
