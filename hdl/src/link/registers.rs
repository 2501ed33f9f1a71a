//! The register file, built from [`twinseal_wire::register::ALL`]: a byte of memory at each byte address, whose contents at
//! power-on are the fixed values. The counters are in it too and are counted up a byte at a time. The memory is the
//! framer's, which has the first right to it.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;
use twinseal_wire::{self as wire, Access, register};

use super::frame::LENT_BITS;

/// Registers in the map.
pub const REGISTERS: usize = register::ALL.len();
/// Every register lies below this many bytes.
const BYTES: usize = 1 << ADDRESS_BITS;
/// Of a byte.
const ADDRESS_BITS: usize = LENT_BITS;

/// The fixed values of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `BUILD_ID`.
    pub build_id: u32,
    /// `ENGINES`.
    pub engines: u32,
    /// `CLOCK_HZ`.
    pub clock_hz: u32,
}

impl Identity {
    /// The memory of the registers at power-on.
    pub fn memory(self) -> Vec<u8> {
        let mut bytes = vec![0; BYTES];
        for r in register::ALL {
            let at = usize::from(r.address);
            bytes[at..at + 4].copy_from_slice(&self.initial(r.address).to_le_bytes());
        }
        bytes
    }

    /// What the register at `address` holds at power-on. A register the map has and the gateware does not is an error of
    /// the sources.
    fn initial(self, address: u16) -> u32 {
        match address {
            register::IDENT => wire::IDENT,
            register::WIRE_VERSION => wire::WIRE_VERSION.into(),
            register::MAP_HASH => wire::MAP_HASH,
            register::BUILD_ID => self.build_id,
            register::ENGINES => self.engines,
            register::CLOCK_HZ => self.clock_hz,
            register::SCRATCH | register::FRAMES_OK | register::FRAMES_BAD => 0,
            _ => panic!("register {address:#06x} has no gateware"),
        }
    }
}

/// The registers, `N` of them, a byte at a time.
#[derive(LogicBlock)]
pub struct RegisterFile<const N: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// A byte of the address, or the byte to write.
    pub data: Signal<In, Bits<8>>,
    /// `data` is the low byte of an address.
    pub set_low: Signal<In, Bit>,
    /// `data` is its high byte, which comes after.
    pub set_high: Signal<In, Bit>,
    /// There is a register at the address.
    pub known: Signal<Out, Bit>,
    /// It can be written.
    pub writable: Signal<Out, Bit>,
    /// A byte of the register, two clocks after the one before or the address, while `hold` and not `counting`; the least
    /// significant first.
    pub value: Signal<Out, Bits<8>>,
    /// Go on to the next byte.
    pub advance: Signal<In, Bit>,
    /// Write `data` to the byte at hand and go on to the next; only while `writable` and not `counting`.
    pub write: Signal<In, Bit>,
    /// A value is being read: nothing is counted meanwhile. Not for longer than the shortest bad frame lasts.
    pub hold: Signal<In, Bit>,
    /// The memory is not free in this clock.
    pub counting: Signal<Out, Bit>,
    /// One more frame was accepted.
    pub count_ok: Signal<In, Bit>,
    /// One more frame was dropped.
    pub count_bad: Signal<In, Bit>,
    /// Changes with every frame accepted.
    pub activity: Signal<Out, Bit>,
    /// To the framer.
    pub memory_address: Signal<Out, Bits<ADDRESS_BITS>>,
    /// To the framer.
    pub memory_write: Signal<Out, Bit>,
    /// To the framer.
    pub memory_write_data: Signal<Out, Bits<8>>,
    /// From the framer.
    pub memory_taken: Signal<In, Bit>,
    /// From the framer.
    pub memory_data: Signal<In, Bits<8>>,
    /// Of the byte at hand.
    place: DFF<Bits<ADDRESS_BITS>>,
    place_up: Signal<Local, Bits<ADDRESS_BITS>>,
    is_known: DFF<Bit>,
    is_writable: DFF<Bit>,
    odd: DFF<Bit>,
    /// A frame accepted is still to be counted.
    ok_due: DFF<Bit>,
    /// A frame dropped is still to be counted.
    bad_due: DFF<Bit>,
    is_counting: DFF<Bit>,
    /// The byte to count is there.
    fetched: DFF<Bit>,
    /// Where it is.
    count_at: DFF<Bits<ADDRESS_BITS>>,
    count_at_up: Signal<Local, Bits<ADDRESS_BITS>>,
    counted: Signal<Local, Bits<8>>,
    places: [Constant<Bits<8>>; N],
    can_write: [Constant<Bit>; N],
    frames_ok: Constant<Bits<ADDRESS_BITS>>,
    frames_bad: Constant<Bits<ADDRESS_BITS>>,
}

impl Default for RegisterFile<REGISTERS> {
    /// The registers of the map.
    fn default() -> Self {
        let place = |address: u16| Constant::new(u64::from(address).into());
        let can_write = |i: usize| register::ALL[i].access == Access::ReadWrite;
        Self {
            clock: Default::default(),
            data: Default::default(),
            set_low: Default::default(),
            set_high: Default::default(),
            known: Default::default(),
            writable: Default::default(),
            value: Default::default(),
            advance: Default::default(),
            write: Default::default(),
            hold: Default::default(),
            counting: Default::default(),
            count_ok: Default::default(),
            count_bad: Default::default(),
            activity: Default::default(),
            memory_address: Default::default(),
            memory_write: Default::default(),
            memory_write_data: Default::default(),
            memory_taken: Default::default(),
            memory_data: Default::default(),
            place: Default::default(),
            place_up: Default::default(),
            is_known: Default::default(),
            is_writable: Default::default(),
            odd: Default::default(),
            ok_due: Default::default(),
            bad_due: Default::default(),
            is_counting: Default::default(),
            fetched: Default::default(),
            count_at: Default::default(),
            count_at_up: Default::default(),
            counted: Default::default(),
            places: std::array::from_fn(|i| Constant::new(u64::from(register::ALL[i].address).into())),
            can_write: std::array::from_fn(|i| Constant::new(can_write(i))),
            frames_ok: place(register::FRAMES_OK),
            frames_bad: place(register::FRAMES_BAD),
        }
    }
}

impl<const N: usize> Logic for RegisterFile<N> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            place,
            is_known,
            is_writable,
            odd,
            ok_due,
            bad_due,
            is_counting,
            fetched,
            count_at
        );
        self.place_up.next = self.place.q.val() + 1;
        self.count_at_up.next = self.count_at.q.val() + 1;
        self.counted.next = self.memory_data.val() + 1;
        self.known.next = self.is_known.q.val();
        self.writable.next = self.is_writable.q.val();
        self.value.next = self.memory_data.val();
        self.counting.next = self.is_counting.q.val() || self.memory_taken.val();
        self.activity.next = self.odd.q.val();
        self.memory_address.next = self.place.q.val();
        self.memory_write.next = self.write.val();
        self.memory_write_data.next = self.data.val();

        if self.set_low.val() {
            self.place.d.next = self.data.val().get_bits::<ADDRESS_BITS>(0);
            self.is_known.d.next = false;
            self.is_writable.d.next = false;
            for i in 0..N {
                if self.data.val() == self.places[i].val() {
                    self.is_known.d.next = true;
                    self.is_writable.d.next = self.can_write[i].val();
                }
            }
        }
        // Every register lies below 128.
        if self.set_high.val() && self.data.val().any() {
            self.is_known.d.next = false;
            self.is_writable.d.next = false;
        }
        if self.advance.val() || self.write.val() {
            self.place.d.next = self.place_up.val();
        }

        if self.is_counting.q.val() {
            self.memory_address.next = self.count_at.q.val();
            self.memory_write_data.next = self.counted.val();
            self.memory_write.next = self.fetched.q.val() && !self.memory_taken.val();
            if self.memory_taken.val() {
                // What was fetched is no longer there in the next clock.
                self.fetched.d.next = false;
            } else {
                self.fetched.d.next = !self.fetched.q.val();
                if self.fetched.q.val() {
                    self.count_at.d.next = self.count_at_up.val();
                    // 0xFF carries, but not out of the register.
                    if !self.memory_data.val().all() || self.count_at.q.val().get_bits::<2>(0).all() {
                        self.is_counting.d.next = false;
                    }
                }
            }
        } else if !self.hold.val() && !self.write.val() {
            if self.bad_due.q.val() {
                self.bad_due.d.next = false;
                self.is_counting.d.next = true;
                self.count_at.d.next = self.frames_bad.val();
            } else if self.ok_due.q.val() {
                self.ok_due.d.next = false;
                self.is_counting.d.next = true;
                self.count_at.d.next = self.frames_ok.val();
            }
        }
        if self.count_ok.val() {
            self.ok_due.d.next = true;
            self.odd.d.next = !self.odd.q.val();
        }
        if self.count_bad.val() {
            self.bad_due.d.next = true;
        }
    }
}
