//! The serial line: eight data bits, no parity, one stop bit, least significant bit first.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;

/// Fewest clocks a bit may last: the start bit must be seen low twice.
pub const MIN_CLOCKS_PER_BIT: u64 = 4;

/// Where a receiver stands in a character.
#[derive(Copy, Clone, Debug, PartialEq, Eq, LogicState)]
enum RxState {
    /// After power-on and after a broken character: no start bit before the line was high.
    WaitIdle,
    Idle,
    Start,
    Data,
    Stop,
}

/// Receives characters. `T` is the width of the bit timer: `clocks_per_bit` - 1 must fit.
///
/// A start bit must still be low near its middle, so a glitch shorter than half a bit is not a character.
#[derive(LogicBlock)]
pub struct UartRx<const T: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The line, asynchronous.
    pub rx: Signal<In, Bit>,
    /// The last character.
    pub data: Signal<Out, Bits<8>>,
    /// High for one clock: `data` is new.
    pub valid: Signal<Out, Bit>,
    /// High for one clock: a character had no stop bit, and is lost.
    pub broken: Signal<Out, Bit>,
    line: BitSynchronizer,
    state: DFF<RxState>,
    timer: DFF<Bits<T>>,
    timer_down: Signal<Local, Bits<T>>,
    count: DFF<Bits<3>>,
    count_up: Signal<Local, Bits<3>>,
    shift: DFF<Bits<8>>,
    shift_down: Signal<Local, Bits<8>>,
    shift_in: Signal<Local, Bits<8>>,
    is_valid: DFF<Bit>,
    is_broken: DFF<Bit>,
    whole_bit: Constant<Bits<T>>,
    half_bit: Constant<Bits<T>>,
}

impl<const T: usize> UartRx<T> {
    /// A receiver for bits of `clocks_per_bit` clocks.
    pub fn new(clocks_per_bit: u64) -> Self {
        check_timer(clocks_per_bit, T);
        Self {
            clock: Default::default(),
            rx: Default::default(),
            data: Default::default(),
            valid: Default::default(),
            broken: Default::default(),
            line: Default::default(),
            state: Default::default(),
            timer: Default::default(),
            timer_down: Default::default(),
            count: Default::default(),
            count_up: Default::default(),
            shift: Default::default(),
            shift_down: Default::default(),
            shift_in: Default::default(),
            is_valid: Default::default(),
            is_broken: Default::default(),
            whole_bit: Constant::new((clocks_per_bit - 1).into()),
            half_bit: Constant::new(((clocks_per_bit - 1) / 2 - 1).into()),
        }
    }
}

fn check_timer(clocks_per_bit: u64, timer_bits: usize) {
    assert!(
        (MIN_CLOCKS_PER_BIT..=1 << timer_bits).contains(&clocks_per_bit),
        "{clocks_per_bit} clocks per bit with a timer of {timer_bits} bits"
    );
}

impl<const T: usize> Logic for UartRx<T> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, timer, count, shift, is_valid, is_broken);
        clock!(self, clock, line);
        self.line.sig_in.next = self.rx.val();
        self.timer_down.next = self.timer.q.val() - 1;
        self.count_up.next = self.count.q.val() + 1;
        self.shift_down.next = self.shift.q.val() >> 1;
        self.shift_in.next = self.shift_down.val();
        if self.line.sig_out.val() {
            self.shift_in.next = self.shift_down.val() | 0x80;
        }
        self.data.next = self.shift.q.val();
        self.valid.next = self.is_valid.q.val();
        self.broken.next = self.is_broken.q.val();
        self.is_valid.d.next = false;
        self.is_broken.d.next = false;
        if self.timer.q.val().any() {
            self.timer.d.next = self.timer_down.val();
        }
        match self.state.q.val() {
            RxState::WaitIdle => {
                if self.line.sig_out.val() {
                    self.state.d.next = RxState::Idle;
                }
            }
            RxState::Idle => {
                if !self.line.sig_out.val() {
                    self.timer.d.next = self.half_bit.val();
                    self.state.d.next = RxState::Start;
                }
            }
            RxState::Start => {
                if !self.timer.q.val().any() {
                    self.timer.d.next = self.whole_bit.val();
                    self.count.d.next = 0.into();
                    self.state.d.next = RxState::Data;
                    if self.line.sig_out.val() {
                        self.state.d.next = RxState::Idle;
                    }
                }
            }
            RxState::Data => {
                if !self.timer.q.val().any() {
                    self.timer.d.next = self.whole_bit.val();
                    self.shift.d.next = self.shift_in.val();
                    self.count.d.next = self.count_up.val();
                    if self.count.q.val().all() {
                        self.state.d.next = RxState::Stop;
                    }
                }
            }
            RxState::Stop => {
                if !self.timer.q.val().any() {
                    if self.line.sig_out.val() {
                        self.is_valid.d.next = true;
                        self.state.d.next = RxState::Idle;
                    } else {
                        self.is_broken.d.next = true;
                        self.state.d.next = RxState::WaitIdle;
                    }
                }
            }
        }
    }
}

/// Sends characters. `T` as in [`UartRx`].
#[derive(LogicBlock)]
pub struct UartTx<const T: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Taken when `valid` and `ready` are high.
    pub data: Signal<In, Bits<8>>,
    /// There is a character to send.
    pub valid: Signal<In, Bit>,
    /// A character can be taken.
    pub ready: Signal<Out, Bit>,
    /// The line.
    pub tx: Signal<Out, Bit>,
    /// Complement of the bits to come, so that a cleared register is an idle line.
    shift: DFF<Bits<9>>,
    wide: Signal<Local, Bits<9>>,
    start_and_data: Signal<Local, Bits<9>>,
    timer: DFF<Bits<T>>,
    timer_down: Signal<Local, Bits<T>>,
    /// Bits to come, the one on the line included.
    left: DFF<Bits<4>>,
    left_down: Signal<Local, Bits<4>>,
    whole_bit: Constant<Bits<T>>,
}

impl<const T: usize> UartTx<T> {
    /// A transmitter of bits of `clocks_per_bit` clocks.
    pub fn new(clocks_per_bit: u64) -> Self {
        check_timer(clocks_per_bit, T);
        Self {
            clock: Default::default(),
            data: Default::default(),
            valid: Default::default(),
            ready: Default::default(),
            tx: Default::default(),
            shift: Default::default(),
            wide: Default::default(),
            start_and_data: Default::default(),
            timer: Default::default(),
            timer_down: Default::default(),
            left: Default::default(),
            left_down: Default::default(),
            whole_bit: Constant::new((clocks_per_bit - 1).into()),
        }
    }
}

impl<const T: usize> Logic for UartTx<T> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, shift, timer, left);
        self.wide.next = bit_cast::<9, 8>(self.data.val());
        self.start_and_data.next = self.wide.val() << 1;
        self.timer_down.next = self.timer.q.val() - 1;
        self.left_down.next = self.left.q.val() - 1;
        self.tx.next = !self.shift.q.val().get_bit(0);
        self.ready.next = !self.left.q.val().any();
        if self.left.q.val().any() {
            if self.timer.q.val().any() {
                self.timer.d.next = self.timer_down.val();
            } else {
                self.timer.d.next = self.whole_bit.val();
                self.shift.d.next = self.shift.q.val() >> 1;
                self.left.d.next = self.left_down.val();
            }
        } else if self.valid.val() {
            self.timer.d.next = self.whole_bit.val();
            self.shift.d.next = !self.start_and_data.val();
            self.left.d.next = 10.into();
        }
    }
}
