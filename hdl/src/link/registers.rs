//! The register file, built from [`twinseal_wire::register::ALL`].

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;
use twinseal_wire::{self as wire, Access, register};

/// Registers in the map.
pub const REGISTERS: usize = register::ALL.len();

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

/// Where the value of a register comes from.
#[derive(Clone, Copy)]
enum Source {
    Fixed(u32),
    Scratch,
    FramesOk,
    FramesBad,
}

impl Source {
    /// A register the map has and the gateware does not is an error of the sources.
    fn of(address: u16, identity: Identity) -> Self {
        match address {
            register::IDENT => Self::Fixed(wire::IDENT),
            register::WIRE_VERSION => Self::Fixed(wire::WIRE_VERSION.into()),
            register::MAP_HASH => Self::Fixed(wire::MAP_HASH),
            register::BUILD_ID => Self::Fixed(identity.build_id),
            register::ENGINES => Self::Fixed(identity.engines),
            register::CLOCK_HZ => Self::Fixed(identity.clock_hz),
            register::SCRATCH => Self::Scratch,
            register::FRAMES_OK => Self::FramesOk,
            register::FRAMES_BAD => Self::FramesBad,
            _ => panic!("register {address:#06x} has no gateware"),
        }
    }

    fn fixed(self) -> u64 {
        match self {
            Self::Fixed(value) => value.into(),
            _ => 0,
        }
    }
}

/// The registers, `N` of them; reading is combinational.
#[derive(LogicBlock)]
pub struct RegisterFile<const N: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Which register.
    pub address: Signal<In, Bits<16>>,
    /// Its value.
    pub value: Signal<Out, Bits<32>>,
    /// There is such a register.
    pub known: Signal<Out, Bit>,
    /// It can be written.
    pub writable: Signal<Out, Bit>,
    /// Write `write_value`; only while `writable`.
    pub write: Signal<In, Bit>,
    /// What to write.
    pub write_value: Signal<In, Bits<32>>,
    /// One more frame was accepted.
    pub count_ok: Signal<In, Bit>,
    /// One more frame was dropped.
    pub count_bad: Signal<In, Bit>,
    /// Changes with every frame accepted.
    pub activity: Signal<Out, Bit>,
    scratch: DFF<Bits<32>>,
    frames_ok: DFF<Bits<32>>,
    frames_ok_up: Signal<Local, Bits<32>>,
    frames_bad: DFF<Bits<32>>,
    frames_bad_up: Signal<Local, Bits<32>>,
    place: [Constant<Bits<16>>; N],
    fixed: [Constant<Bits<32>>; N],
    is_scratch: [Constant<Bit>; N],
    is_frames_ok: [Constant<Bit>; N],
    is_frames_bad: [Constant<Bit>; N],
    can_write: [Constant<Bit>; N],
}

impl RegisterFile<REGISTERS> {
    /// The registers of the map.
    pub fn new(identity: Identity) -> Self {
        let source = |i: usize| Source::of(register::ALL[i].address, identity);
        let bits = |is: fn(Source) -> bool| std::array::from_fn(|i| Constant::new(is(source(i))));
        let can_write = |i: usize| register::ALL[i].access == Access::ReadWrite;
        Self {
            clock: Default::default(),
            address: Default::default(),
            value: Default::default(),
            known: Default::default(),
            writable: Default::default(),
            write: Default::default(),
            write_value: Default::default(),
            count_ok: Default::default(),
            count_bad: Default::default(),
            activity: Default::default(),
            scratch: Default::default(),
            frames_ok: Default::default(),
            frames_ok_up: Default::default(),
            frames_bad: Default::default(),
            frames_bad_up: Default::default(),
            place: std::array::from_fn(|i| Constant::new(u64::from(register::ALL[i].address).into())),
            fixed: std::array::from_fn(|i| Constant::new(source(i).fixed().into())),
            is_scratch: bits(|s| matches!(s, Source::Scratch)),
            is_frames_ok: bits(|s| matches!(s, Source::FramesOk)),
            is_frames_bad: bits(|s| matches!(s, Source::FramesBad)),
            can_write: std::array::from_fn(|i| Constant::new(can_write(i))),
        }
    }
}

impl<const N: usize> Logic for RegisterFile<N> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, scratch, frames_ok, frames_bad);
        self.frames_ok_up.next = self.frames_ok.q.val() + 1;
        self.frames_bad_up.next = self.frames_bad.q.val() + 1;
        if self.count_ok.val() {
            self.frames_ok.d.next = self.frames_ok_up.val();
        }
        if self.count_bad.val() {
            self.frames_bad.d.next = self.frames_bad_up.val();
        }
        if self.write.val() {
            self.scratch.d.next = self.write_value.val();
        }
        self.activity.next = self.frames_ok.q.val().get_bit(0);
        self.value.next = 0.into();
        self.known.next = false;
        self.writable.next = false;
        for i in 0..N {
            if self.address.val() == self.place[i].val() {
                self.known.next = true;
                self.writable.next = self.can_write[i].val();
                self.value.next = self.fixed[i].val();
                if self.is_scratch[i].val() {
                    self.value.next = self.scratch.q.val();
                }
                if self.is_frames_ok[i].val() {
                    self.value.next = self.frames_ok.q.val();
                }
                if self.is_frames_bad[i].val() {
                    self.value.next = self.frames_bad.q.val();
                }
            }
        }
    }
}
