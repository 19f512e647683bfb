//! One WebSocket, without a queue: a frame is copied once into wasm memory and handed on at once.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, MessageEvent, WebSocket, Worker};
use wstp_engine::Incoming;
use wstp_protocol::limits::MAX_SERVER_FRAME;

/// The most that is copied of a frame. A longer frame is too long for every decoder.
const MAX_COPY: u32 = MAX_SERVER_FRAME as u32 + 1;
/// Bytes from which a buffer is given back. For a smaller one, the message that gives it back costs more than the
/// garbage collector does.
const WORTH_GIVING_BACK: u32 = 16 * 1024;

/// An event of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Frames can be sent.
    Opened,
    /// A frame or a message arrived. A text message is no frame and comes as an empty one, which no decoder takes.
    Came(Incoming),
    /// Bytes of an unfinished frame arrived. A WebSocket does not report that; an answer over plain HTTP does.
    Bytes,
    /// It is gone. No more events follow.
    Closed,
}

/// An open or opening connection. Dropping it closes it, without any further event.
pub struct Socket {
    socket: WebSocket,
    closures: Option<Closures>,
}

struct Closures {
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut()>,
}

impl Socket {
    /// Begins to connect.
    ///
    /// # Errors
    ///
    /// When the browser does not take the URL.
    pub fn connect(url: &str, happened: impl Fn(Happening) + 'static) -> Result<Self, JsValue> {
        let socket = WebSocket::new(url)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let happened = Rc::new(happened);
        let on_open = Closure::new({
            let happened = happened.clone();
            move || happened(Happening::Opened)
        });
        let on_message = Closure::new({
            let happened = happened.clone();
            move |event: MessageEvent| happened(Happening::Came(frame(&event.data()).into()))
        });
        let closed = Cell::new(false);
        let on_close = Closure::new(move || {
            if !closed.replace(true) {
                happened(Happening::Closed);
            }
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        let closures = Closures { _on_open: on_open, _on_message: on_message, _on_close: on_close };
        Ok(Self { socket, closures: Some(closures) })
    }

    /// Sends a frame. On a closed socket it is lost, and the close event follows.
    pub fn send(&self, frame: &[u8]) {
        let _ = self.socket.send_with_u8_array(frame);
    }

    /// Sends a text, which is no frame.
    pub fn say(&self, text: &str) {
        let _ = self.socket.send_with_str(text);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
        // The socket may be dropped from within one of its own closures, which must return first.
        let closures = self.closures.take();
        wasm_bindgen_futures::spawn_local(async move { drop(closures) });
    }
}

fn frame(data: &JsValue) -> Bytes {
    let Some(buffer) = data.dyn_ref::<ArrayBuffer>() else { return Bytes::new() };
    let bytes = Uint8Array::new_with_byte_offset_and_length(buffer, 0, buffer.byte_length().min(MAX_COPY)).to_vec();
    if buffer.byte_length() >= WORTH_GIVING_BACK {
        give_back(buffer);
    }
    bytes.into()
}

thread_local! {
    /// A worker that has ended.
    static NOWHERE: Option<Worker> = Worker::new("worker.js").ok().inspect(Worker::terminate);
}

/// Gives a buffer's memory back at once. Otherwise the garbage collector would let a hundred megabytes of them pile up.
/// The browser releases a buffer only when it is transferred, and the receiver of this one has ended.
fn give_back(buffer: &ArrayBuffer) {
    NOWHERE.with(|nowhere| {
        if let Some(nowhere) = nowhere {
            let _ = nowhere.post_message_with_transfer(&JsValue::NULL, &Array::of1(buffer));
        }
    });
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test]
    fn a_large_buffer_is_copied_and_given_back() {
        let sent = vec![7; WORTH_GIVING_BACK as usize];
        let buffer = Uint8Array::from(&sent[..]).buffer();
        assert_eq!(frame(&buffer), Bytes::from(sent));
        assert_eq!(buffer.byte_length(), 0);
    }

    #[wasm_bindgen_test]
    fn a_small_buffer_is_copied_and_left_to_the_garbage_collector() {
        let buffer = Uint8Array::from(&[1, 2, 3][..]).buffer();
        assert_eq!(frame(&buffer), Bytes::from_static(&[1, 2, 3]));
        assert_eq!(buffer.byte_length(), 3);
    }

    #[wasm_bindgen_test]
    fn of_a_huge_frame_no_more_is_copied_than_shows_that_it_is_too_long() {
        let copied = frame(&ArrayBuffer::new(64 << 20));
        assert_eq!(copied.len(), MAX_SERVER_FRAME + 1);
        assert_eq!(wstp_protocol::ServerMessage::decode(copied), Err(wstp_protocol::DecodeError::TooLong));
    }

    #[wasm_bindgen_test]
    fn text_is_no_frame() {
        assert!(frame(&"text".into()).is_empty());
    }
}
