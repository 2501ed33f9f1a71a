// Drives the verilated board. One command a line: `s` and 512 steps queue a sample of the rings; `r request permitted gap
// patience -payload` carries out a request; `d path` writes every register and memory to a file.
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
                top.clock = 1;
                top.eval();
                top.clock = 0;
                top.eval();
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
