//! The Windows event log: starts, stops and failures, under Application, with the source `lanpost`.

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};

use super::super::{Gravity, event};

/// The name under which the event viewer lists what we say.
pub const SOURCE: &str = "lanpost";
/// What a text may be long in an event, in UTF-16 units.
const LONGEST: usize = 31_000;

/// The source, open.
#[derive(Debug)]
pub struct Journal(HANDLE);

// SAFETY: the handle is the event log service's, which takes calls from any thread.
unsafe impl Send for Journal {}
// SAFETY: as above.
unsafe impl Sync for Journal {}

impl Journal {
    /// Opens it; `None` if the event log can't be had, which is no reason not to work.
    pub fn open() -> Option<Journal> {
        let name = wide(SOURCE);
        // SAFETY: `name` ends with NUL and outlives the call; no server is named.
        let handle = unsafe { RegisterEventSourceW(std::ptr::null(), name.as_ptr()) };
        (!handle.is_null()).then_some(Journal(handle))
    }

    /// Writes one event. What can't be written is in the log file.
    pub fn record(&self, gravity: Gravity, text: &str) {
        // EventCreate.exe has a text for the numbers 1 to 1000.
        let (kind, number) = match gravity {
            Gravity::Information => (EVENTLOG_INFORMATION_TYPE, 1),
            Gravity::Warning => (EVENTLOG_WARNING_TYPE, 2),
            Gravity::Error => (EVENTLOG_ERROR_TYPE, 3),
        };
        let text = wide(&event::text(text));
        let texts = [text.as_ptr()];
        // SAFETY: one text is announced and given, it ends with NUL; no user, no data; all outlive the call.
        unsafe {
            ReportEventW(
                self.0,
                kind,
                0,
                number,
                std::ptr::null_mut(),
                1,
                0,
                texts.as_ptr(),
                std::ptr::null(),
            );
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // SAFETY: opened by us, and closed here alone.
        unsafe { DeregisterEventSource(self.0) };
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().filter(|unit| *unit != 0).take(LONGEST).chain([0]).collect()
}
