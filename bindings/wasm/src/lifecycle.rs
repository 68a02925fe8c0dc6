//! What the platform says of network and sleep: online and offline, a page that becomes visible, thaws, or comes back
//! from the back/forward cache. Each is a reason to look at the connection at once; the machine knows what to do.

use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget};

/// Of the window or worker.
const OF_GLOBAL: [&str; 3] = ["online", "offline", "pageshow"];
/// Of the document.
const OF_DOCUMENT: [&str; 2] = ["visibilitychange", "resume"];

#[wasm_bindgen]
extern "C" {
    type Global;
    #[wasm_bindgen(method, getter)]
    fn document(this: &Global) -> Option<Document>;

    #[wasm_bindgen(extends = EventTarget)]
    type Document;
    #[wasm_bindgen(method, getter)]
    fn hidden(this: &Document) -> bool;
}

/// Listens until it is dropped.
pub(crate) struct Lifecycle {
    hear: Closure<dyn FnMut(Event)>,
}

impl Lifecycle {
    pub(crate) fn new(changed: impl Fn(bool) + 'static) -> Self {
        let hear = Closure::new(move |event: Event| {
            let hidden = document().is_some_and(|document| document.hidden());
            if event.type_() == "offline" {
                changed(false);
            } else if !hidden {
                changed(true);
            }
        });
        let lifecycle = Self { hear };
        lifecycle.each(|target, name, hear| {
            let _ = target.add_event_listener_with_callback(name, hear);
        });
        lifecycle
    }

    fn each(&self, act: impl Fn(&EventTarget, &str, &js_sys::Function)) {
        let hear = self.hear.as_ref().unchecked_ref();
        // Node has neither.
        if let Some(global) = listener(&js_sys::global()) {
            OF_GLOBAL.iter().for_each(|name| act(global, name, hear));
        }
        if let Some(document) = document() {
            OF_DOCUMENT.iter().for_each(|name| act(&document, name, hear));
        }
    }
}

impl Drop for Lifecycle {
    fn drop(&mut self) {
        self.each(|target, name, hear| {
            let _ = target.remove_event_listener_with_callback(name, hear);
        });
    }
}

fn document() -> Option<Document> {
    js_sys::global().unchecked_into::<Global>().document()
}

fn listener(global: &js_sys::Object) -> Option<&EventTarget> {
    let has = js_sys::Reflect::has(global, &JsValue::from_str("addEventListener"));
    has.unwrap_or(false).then(|| global.unchecked_ref())
}
