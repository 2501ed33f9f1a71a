// The board's pins, clocked. Everything that happens once per simulated clock happens here: the two
// halves of the host's UART, the Verilated model between them, and a look at its rings, which get new
// numbers with every sample. `src/ffi.rs` is the other side.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "Vtop.h"
#include "Vtop___024root.h"
#include "verilated.h"

namespace {

constexpr uint32_t kClocksPerBit = TWINSEAL_CLOCKS_PER_BIT;
constexpr size_t kRings = 512;
// Once the board has spoken and been silent for two characters, hand over what it said: the
// latency timer of a USB bridge.
constexpr uint64_t kLatencyClocks = 2 * 10 * kClocksPerBit;

// Sends characters of ten line levels, least significant first: start, eight data bits, stop.
struct Transmitter {
    uint32_t levels = 0;
    uint32_t bits_left = 0;
    uint32_t clocks_left = 0;

    bool idle() const { return bits_left == 0; }
    void load(uint16_t character) {
        levels = character;
        bits_left = 10;
        clocks_left = kClocksPerBit;
    }
    bool level() const { return bits_left == 0 || (levels & 1); }
    void clock() {
        if (bits_left == 0 || --clocks_left != 0) return;
        levels >>= 1;
        clocks_left = kClocksPerBit;
        --bits_left;
    }
};

// Samples every bit in its middle.
struct Receiver {
    uint32_t shift = 0;
    uint32_t bits_left = 0;
    uint32_t clocks_left = 0;
    uint64_t line_errors = 0;
    bool line_was_high = true;

    bool idle() const { return bits_left == 0; }
    // True when a character is complete; its data bits are then in `shift`.
    bool clock(bool level) {
        if (bits_left == 0) {
            if (!level && line_was_high) {
                bits_left = 10;
                clocks_left = kClocksPerBit / 2;
                shift = 0;
            }
            line_was_high = level;
            return false;
        }
        if (--clocks_left != 0) return false;
        clocks_left = kClocksPerBit;
        --bits_left;
        if (bits_left == 9) {
            if (level) {  // a glitch, not a start bit
                ++line_errors;
                bits_left = 0;
            }
            return false;
        }
        if (bits_left > 0) {
            shift = shift >> 1 | uint32_t(level) << 7;
            return false;
        }
        line_was_high = level;
        if (!level) ++line_errors;
        return level;
    }
};

}  // namespace

extern "C" {

struct twinseal_board {
    VerilatedContext context;
    std::unique_ptr<Vtop> top;
    Transmitter to_board;
    Receiver from_board;
    uint64_t quiet_clocks = 0;
    bool rings_ran = false;

    twinseal_board() : top(new Vtop(&context, "top")) {
        top->clock = 0;
        top->uart_rx = 1;
        top->eval();
    }
    ~twinseal_board() {
        claim();
        top->final();
        // Before the context, which its scopes are taken out of.
        top.reset();
    }
    // Verilator finds the context by thread: this one may have made, or freed, other boards since.
    void claim() { Verilated::threadContextp(&context); }
};

struct twinseal_run {
    uint64_t clocks;
    size_t taken;
    size_t given;
    uint64_t quiet_clocks;
    uint64_t line_errors;
    uint64_t sample_begins;
};

twinseal_board* twinseal_board_new() {
    try {
        return new twinseal_board();
    } catch (...) {
        return nullptr;
    }
}

void twinseal_board_free(twinseal_board* board) { delete board; }

// Runs for at most `max_clocks`, and less if `out` is full, if the board has spoken and paused, or if
// nothing moved on either line for `quiet_limit` clocks, there is nothing to send and the vault is at rest.
// Also when the window of the first pair of rings begins: the caller then sets the steps of a new sample.
void twinseal_board_run(twinseal_board* board, uint64_t max_clocks, uint64_t quiet_limit, const uint16_t* in,
                        size_t in_len, uint8_t* out, size_t out_len, twinseal_run* result) {
    board->claim();
    Vtop& top = *board->top;
    Transmitter tx = board->to_board;
    Receiver rx = board->from_board;
    const CData& running = top.rootp->TWINSEAL_RUNNING;
    const CData& pair = top.rootp->TWINSEAL_PAIR;
    bool ran = board->rings_ran;
    bool sample_begins = false;
    uint64_t quiet = board->quiet_clocks;
    uint64_t said_nothing = 0;
    uint64_t clocks = 0;
    size_t taken = 0;
    size_t given = 0;

    while (clocks < max_clocks && given < out_len && !sample_begins) {
        if (tx.idle()) {
            if (taken < in_len) {
                tx.load(in[taken++]);
                quiet = 0;
            } else if (given == 0 && quiet >= quiet_limit) {
                break;
            }
        }
        if (given > 0 && said_nothing >= kLatencyClocks) break;

        top.uart_rx = tx.level();
        top.clock = 1;
        top.eval();
        top.clock = 0;
        top.eval();
        ++clocks;

        tx.clock();
        if (rx.clock(top.uart_tx)) out[given++] = uint8_t(rx.shift);
        said_nothing = rx.idle() ? said_nothing + 1 : 0;
        quiet = rx.idle() && tx.idle() && !top.busy ? quiet + 1 : 0;
        sample_begins = running && !ran && pair == 0;
        ran = running;
    }

    board->to_board = tx;
    board->from_board = rx;
    board->quiet_clocks = quiet;
    board->rings_ran = ran;
    *result = {clocks, taken, given, quiet, rx.line_errors, sample_begins};
}

// The steps of every ring, in 2^-16 edges a clock; `count` of them.
void twinseal_board_set_steps(twinseal_board* board, const uint32_t* steps, size_t count) {
    auto& rings = board->top->rootp->TWINSEAL_STEPS;
    for (size_t ring = 0; ring < count && ring < kRings; ++ring) rings[ring] = steps[ring];
}

}  // extern "C"
