// Drives the verilated board. One command a line: `s` and 512 steps queue a sample of the rings; `r request permitted gap
// patience -payload` carries out a request; `d path` writes every register and memory to a file; `n` prints those of vault and
// engine, each as ` name=bytes`, lowest byte first, after some clocks, whose number counts from when the engine was last
// not ready and comes first; `p`, `i` or `m`, address and word change a word of the processor's program or memory.
#include "Vboard.h"
#include "Vboard___024root.h"
#include "verilated.h"
#include "verilated_save.h"
#include <cstdint>
#include <cstdio>
#include <deque>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

int main() {
    VerilatedContext context;
    Vboard top(&context);
    std::deque<std::vector<uint32_t>> samples;
    top.clock = 0;
    top.eval();
    unsigned long quiet = 0;
    auto tick = [&] {
        top.clock = 1;
        top.eval();
        top.clock = 0;
        top.eval();
        quiet = top.rootp->top__DOT__engine__024ready ? quiet + 1 : 0;
    };
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream in(line);
        char what;
        in >> what;
        if (what == 's') {
            std::vector<uint32_t> steps(512);
            for (auto& step : steps) in >> step;
            samples.push_back(steps);
            std::puts("ok");
        } else if (what == 'd') {
            std::string path;
            in >> path;
            VerilatedSave os;
            os.open(path);
            os << top;
            os.close();
            std::puts("ok");
        } else if (what == 'p') {
            char where;
            unsigned address, word;
            in >> where >> address >> word;
            auto* root = top.rootp;
            if (where == 'i') root->top__DOT__vault__DOT__processor__DOT__instructions__DOT__mem[address] = word;
            if (where == 'm') root->top__DOT__vault__DOT__processor__DOT__memory__DOT__mem[address] = word;
            // The first instruction and its word have been read already; neither is ever changed.
            std::puts("ok");
        } else if (what == 'n') {
            auto* root = top.rootp;
            auto put = [](const char* name, const void* at, size_t size) {
                std::printf(" %s=", name);
                for (size_t i = 0; i < size; i++) std::printf("%02x", static_cast<const uint8_t*>(at)[i]);
            };
            do tick(); while (quiet % 40000);
            std::printf("%lu", quiet);
#define FIELD(name) put(#name, &root->name, sizeof root->name);
#include "vault.inc"
            // What the processor holds is on the engine's inputs, and is compared above.
            root->top__DOT__vault__DOT__processor__DOT__accumulator__024q = 0;
            root->top__DOT__vault__DOT__processor__DOT__accumulator__024d = 0;
            root->top__DOT__vault__DOT__processor__DOT__index__024q = 0;
            root->top__DOT__vault__DOT__processor__DOT__index__024d = 0;
            for (int i = 0; i < 4; i++) tick();
#include "engine.inc"
            std::puts("");
        } else {
            unsigned request, permitted, gap;
            unsigned long patience;
            std::string payload, reply = "-";
            in >> request >> permitted >> gap >> patience >> payload;
            size_t at = 1;
            unsigned taken = 0, wait_data = 0, wait_reply = 0;
            unsigned long clock = 0, answered = 0;
            int status = -1;
            auto step = [&] {
                tick();
                clock++;
            };
            top.permit_enrol = permitted;
            top.request = request;
            top.length = (payload.size() - 1) / 2;
            top.start = 1;
            top.data_available = 0;
            top.reply_taken = 0;
            top.eval();
            step();
            top.start = 0;
            clock = 0;
            for (;;) {
                bool there = at < payload.size() && wait_data == 0;
                top.data_available = there;
                top.data = there ? std::stoul(payload.substr(at, 2), nullptr, 16) : 0xEE;
                top.reply_taken = 0;
                top.eval();
                if (!top.busy) break;
                if (top.answered && status < 0) {
                    status = top.status;
                    answered = clock;
                }
                if (top.reply_valid && wait_reply-- == 0) {
                    char digits[3];
                    std::snprintf(digits, sizeof digits, "%02x", top.reply);
                    reply += digits;
                    top.reply_taken = 1;
                    top.eval();
                    wait_reply = gap;
                }
                if (wait_data) wait_data--;
                if (top.pop) {
                    if (!there) return 4;
                    at += 2;
                    wait_data = gap;
                }
                if (top.sample) {
                    taken++;
                    if (!samples.empty()) {
                        for (int i = 0; i < 512; i++) top.rootp->top__DOT__rings__DOT__steps[i] = samples.front()[i];
                        samples.pop_front();
                    }
                }
                if (clock == patience) break;
                step();
            }
            if (status >= 0 && top.reply_length * 2 + 1 != reply.size() && !top.busy) status = 254;
            if (top.busy) status = 255;
            std::printf("%d %lu %u %s\n", status, answered, taken, reply.c_str());
        }
        std::fflush(stdout);
    }
    return 0;
}
