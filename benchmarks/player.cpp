// The loop that one writes by hand for one block: inputs into ports, two evals a cycle, results out.
// No gaps, no stalls, no checks. HAND_DRIVE and HAND_STORE are in hand.h.

#include <cstdint>
#include <cstring>

#include "Vtop.h"
#include "hand.h"
#include "verilated.h"

extern "C" uint64_t plena_hand(const void* const* inputs, void* output, uint64_t count) {
    VerilatedContext context;
    Vtop top{&context};
    top.rst_ni = 0;
    top.in_valid_i = 0;
    top.out_ready_i = 1;
    for (int i = 0; i < 4; ++i) {
        top.clk_i = i & 1;
        top.eval();
    }
    top.rst_ni = 1;
    uint64_t cycles = 0;
    uint64_t taken = 0;
    for (uint64_t given = 0; taken < count; ++cycles) {
        top.clk_i = 0;
        top.in_valid_i = given < count;
        if (given < count) {
            HAND_DRIVE(given)
            ++given;
        }
        top.eval();
        if (top.out_valid_o) {
            HAND_STORE(taken)
            ++taken;
        }
        top.clk_i = 1;
        top.eval();
    }
    top.final();
    return cycles;
}
