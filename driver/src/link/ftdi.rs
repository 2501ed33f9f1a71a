//! An FTDI bridge through libftdi1 and libusb, without a kernel serial driver: for systems that have none, and for
//! answers after 1 ms where the kernel's driver waits 16. All `unsafe` of this crate is here.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::io;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use libftdi1_sys as sys;

use super::Link;
use crate::Error;
use crate::boards::UsbId;

/// `LIBUSB_ERROR_TIMEOUT`.
const USB_TIMEOUT: c_int = -7;
/// How long the bridge gathers answer bytes before it sends an incomplete packet.
const LATENCY_MS: u8 = 1;

/// One interface of an FTDI bridge, as a UART with 8N1.
pub struct Ftdi {
    context: Context,
    name: String,
}

/// Whether the bridge waits for the board's CTS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowControl {
    /// The board has no RTS and CTS; the frame protocol's window keeps it from being overrun.
    #[default]
    None,
    /// RTS and CTS are wired.
    RtsCts,
}

impl Ftdi {
    /// Opens the first bridge with these ids, detaching the kernel's driver for as long as this lives.
    ///
    /// # Errors
    /// [`Error::Open`], with libftdi's reason.
    pub fn open(id: UsbId, baud: u32, flow: FlowControl) -> Result<Self, Error> {
        let interface = id.interface.unwrap_or(0);
        let name = format!("usb {:04x}:{:04x} interface {interface}", id.vid, id.pid);
        let failed = |source| Error::Open { link: name.clone(), source };
        let context = Context::new().ok_or_else(|| failed(io::ErrorKind::OutOfMemory.into()))?;
        context.set_up(id, interface, baud, flow).map_err(|(_, e)| failed(e))?;
        Ok(Self { context, name })
    }

    fn lost(&self, source: io::Error) -> Error {
        Error::Disconnected { link: self.name.clone(), source }
    }
}

impl Link for Ftdi {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        match self.context.write(bytes, deadline) {
            Err((USB_TIMEOUT, _)) => Err(Error::Stalled { link: self.name.clone() }),
            sent => sent.map_err(|(_, e)| self.lost(e)),
        }
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        loop {
            // The bridge answers at least once per latency period, if only to say that there is nothing.
            match self.context.read(buffer, deadline) {
                Ok(0) | Err((USB_TIMEOUT, _)) if Instant::now() >= deadline => return Ok(0),
                Ok(0) | Err((USB_TIMEOUT, _)) => {}
                Ok(count) => return Ok(count),
                Err((_, e)) => return Err(self.lost(e)),
            }
        }
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.context.flush_input().map_err(|(_, e)| self.lost(e))
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

/// libftdi's code and what it says of it.
type Failure = (c_int, io::Error);

/// An owned `ftdi_context`.
struct Context(NonNull<sys::ftdi_context>);

// SAFETY: libftdi keeps no thread-local state; a context may be used by any thread, one at a time, which `&mut self` of
// every method of `Link` ensures. `Context` is not `Sync`.
unsafe impl Send for Context {}

impl Context {
    fn new() -> Option<Self> {
        // SAFETY: no preconditions; null if there is no memory.
        NonNull::new(unsafe { sys::ftdi_new() }).map(Self)
    }

    fn set_up(&self, id: UsbId, interface: u8, baud: u32, flow: FlowControl) -> Result<(), Failure> {
        let context = self.0.as_ptr();
        let baud = c_int::try_from(baud).unwrap_or(c_int::MAX);
        let flow = match flow {
            FlowControl::None => sys::SIO_DISABLE_FLOW_CTRL,
            FlowControl::RtsCts => sys::SIO_RTS_CTS_HS,
        };
        // SAFETY: `context` is live and not shared, see `Send`; every call takes plain values besides it, and libftdi
        // checks them and that a device is open.
        unsafe {
            (*context).module_detach_mode = sys::ftdi_module_detach_mode::AUTO_DETACH_REATACH_SIO_MODULE;
            // libftdi counts interfaces from 1, USB from 0.
            let interface = sys::ftdi_interface(u32::from(interface) + 1);
            self.check(sys::ftdi_set_interface(context, interface))?;
            self.check(sys::ftdi_usb_open(context, id.vid.into(), id.pid.into()))?;
            self.check(sys::ftdi_usb_reset(context))?;
            self.check(sys::ftdi_set_line_property(
                context,
                sys::ftdi_bits_type::BITS_8,
                sys::ftdi_stopbits_type::STOP_BIT_1,
                sys::ftdi_parity_type::NONE,
            ))?;
            self.check(sys::ftdi_set_baudrate(context, baud))?;
            self.check(sys::ftdi_set_latency_timer(context, LATENCY_MS))?;
            self.check(sys::ftdi_setflowctrl(context, flow))?;
            self.check(sys::ftdi_tcioflush(context))?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Failure> {
        let context = self.0.as_ptr();
        for part in bytes.chunks(c_int::MAX as usize) {
            // SAFETY: `part` outlives the call, which reads no more than its length.
            self.check(unsafe {
                (*context).usb_write_timeout = timeout_ms(deadline);
                sys::ftdi_write_data(context, part.as_ptr(), part.len() as c_int)
            })?;
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Failure> {
        let context = self.0.as_ptr();
        let len = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
        // SAFETY: `buffer` outlives the call, which writes no more than `len` bytes.
        self.check(unsafe {
            (*context).usb_read_timeout = timeout_ms(deadline);
            sys::ftdi_read_data(context, buffer.as_mut_ptr(), len)
        })
    }

    fn flush_input(&mut self) -> Result<(), Failure> {
        // SAFETY: the context is live.
        self.check(unsafe { sys::ftdi_tciflush(self.0.as_ptr()) }).map(drop)
    }

    /// Negative means failed; libftdi then has a text for it.
    fn check(&self, result: c_int) -> Result<usize, Failure> {
        usize::try_from(result).map_err(|_| {
            // SAFETY: the context is live; the text is a C string of libftdi's, valid until the next call.
            let text = unsafe {
                let text = sys::ftdi_get_error_string(self.0.as_ptr());
                if text.is_null() { c"unknown error" } else { CStr::from_ptr(text) }
            };
            (result, io::Error::other(format!("{} ({result})", text.to_string_lossy())))
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by `ftdi_new` and freed only here; closes the device and gives it back to the kernel's driver.
        unsafe { sys::ftdi_free(self.0.as_ptr()) }
    }
}

/// libusb takes zero for "for ever".
fn timeout_ms(deadline: Instant) -> c_int {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    c_int::try_from(left.as_millis()).unwrap_or(c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_bridge_is_an_error_that_names_it() {
        let id = UsbId { vid: 0x0403, pid: 0xFFFF, interface: Some(1) };
        let Err(error) = Ftdi::open(id, 3_000_000, FlowControl::None) else {
            panic!("a bridge 0403:ffff is there")
        };
        assert_eq!(error.code(), "TSL-DRV-001");
        assert!(error.to_string().contains("0403:ffff interface 1"), "{error}");
    }
}
