// Drives one streaming block from arrays: one beat a cycle, or with seeded gaps and stalls.
//
// ports.h is generated for each block and defines
//   PLENA_INPUTS(X), PLENA_OUTPUTS(X)   X(index, port, lanes, bits, element type) for every data port
//   PLENA_MODULE                        the module's name, as a string
// Arrays hold one element per lane, lane 0 first; lane 0 is in a port's least significant bits.

#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

#include "Vtop.h"
#include "Vtop___024root.h"
#include "ports.h"
#include "verilated.h"
#include "verilated_sym_props.h"
#include "verilated_syms.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

namespace {

// What the block did wrong first; the numbers are known to sim/player/player.py.
enum Fault : uint64_t {
    kNone = 0,
    kHang = 1,            // no progress for too long
    kExtra = 2,           // a result more than there should be, or before its input
    kUnstable = 3,        // the payload changed while the output was stalled
    kDropped = 4,         // out_valid fell while the output was stalled
    kValidWaits = 5,      // out_valid or the payload depends on out_ready within the cycle
    kValidInReset = 6,    // out_valid during reset
    kSlow = 7,            // unstalled, but slower than localparams Interval and Wait say
};

constexpr uint64_t kUnknownLatency = ~0ULL;

struct Stats {
    uint64_t cycles;
    uint64_t accepted;
    uint64_t produced;
    uint64_t first_result_cycle;  // cycles from the first input that has a result to that result
    uint64_t fault;
    uint64_t fault_beat;
};

struct Stalls {
    uint64_t seed;
    uint32_t gaps;    // nonzero: withhold inputs now and then
    uint32_t stalls;  // nonzero: refuse outputs now and then
};

// A seeded on/off pattern: every 32 cycles a new density, from never to always.
class Pattern {
  public:
    Pattern(bool active, uint64_t seed) : active_(active), state_(seed * 2 + 1) {}
    bool pause() {
        if (!active_) return false;
        if (count_++ % 32 == 0) density_ = (next() & 3) * 85;
        return (next() & 255) < density_;
    }

  private:
    uint64_t next() {  // xorshift64*
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return (state_ * 0x2545F4914F6CDD1DULL) >> 40;
    }
    bool active_;
    uint64_t state_;
    uint64_t count_ = 0;
    uint64_t density_ = 0;
};

template <typename Port>
constexpr bool kWide = std::is_class<Port>::value;  // VlWide: more than 64 bits

// Write lanes of `Bits` bits into a port.
template <int Lanes, int Bits, typename Port, typename Element>
inline void pack(Port& port, const Element* lanes) {
    if constexpr (!kWide<Port>) {
        uint64_t word = 0;
        for (int i = 0; i < Lanes; ++i) word |= static_cast<uint64_t>(lanes[i]) << (i * Bits);
        port = static_cast<Port>(word);
    } else {
        constexpr int kWords = (Lanes * Bits + 31) / 32;
        uint64_t pending = 0;
        int held = 0;
        int word = 0;
        for (int i = 0; i < Lanes; ++i) {
            uint64_t lane = lanes[i];
            for (int done = 0; done < Bits;) {
                const int take = Bits - done < 32 ? Bits - done : 32;
                pending |= ((lane >> done) & ((1ULL << take) - 1)) << held;
                held += take;
                done += take;
                if (held >= 32) {
                    port[word++] = static_cast<uint32_t>(pending);
                    pending >>= 32;
                    held -= 32;
                }
            }
        }
        if (word < kWords) port[word] = static_cast<uint32_t>(pending);
    }
}

// Read lanes of `Bits` bits from a port.
template <int Lanes, int Bits, typename Port, typename Element>
inline void unpack(const Port& port, Element* lanes) {
    constexpr uint64_t kMask = Bits == 64 ? ~0ULL : (1ULL << Bits) - 1;
    if constexpr (!kWide<Port>) {
        for (int i = 0; i < Lanes; ++i) {
            lanes[i] = static_cast<Element>((static_cast<uint64_t>(port) >> (i * Bits)) & kMask);
        }
    } else {
        constexpr int kWords = (Lanes * Bits + 31) / 32;
        for (int i = 0; i < Lanes; ++i) {
            const int low = i * Bits;
            uint64_t lane = 0;
            for (int word = low / 32; word < kWords && word * 32 < low + Bits; ++word) {
                const int shift = word * 32 - low;
                const uint64_t part = port[word];
                lane |= shift >= 0 ? part << shift : part >> -shift;
            }
            lanes[i] = static_cast<Element>(lane & kMask);
        }
    }
}

// The payload of all output ports, for comparing.
struct Payload {
#define PLENA_FIELD(index, port, lanes, bits, type) type port[lanes];
    PLENA_OUTPUTS(PLENA_FIELD)
#undef PLENA_FIELD
};

class Player {
  public:
    // What a run leaves besides its results goes to `record_path`: a waveform of a block built with
    // tracing, counts of a block built with coverage.
    explicit Player(const char* record_path)
        : record_path_(record_path),
          top_(&context_),
          latency_(read("Latency", kUnknownLatency)),
          interval_(read("Interval", 1)),
          wait_(read("Wait", 0)) {
#if VM_TRACE
        if (record_path_ != nullptr) {
            context_.traceEverOn(true);
            vcd_ = std::make_unique<VerilatedVcdC>();
            top_.trace(vcd_.get(), 99);
            vcd_->open(record_path_);
        }
#endif
    }
    uint64_t latency() const { return latency_; }

    ~Player() {
#if VM_TRACE
        if (vcd_) vcd_->close();
#endif
        top_.final();
#if VM_COVERAGE
        if (record_path_ != nullptr) context_.coveragep()->write(record_path_);
#endif
    }

    // Every beat up to `count`; `results` of them have a result, beat `first_beat` is the first.
    void run(const void* const* inputs, void* const* outputs, uint64_t count, uint64_t results,
             uint64_t first_beat, const Stalls& how, Stats& stats) {
        stats = Stats{};
        reset(stats);
        const bool stalled = how.gaps || how.stalls;
        Pattern gaps(how.gaps, how.seed * 2);
        Pattern stalls(how.stalls, how.seed * 2 + 1);
        const uint64_t patience = 1024 + 4 * (latency_ + interval_ + wait_);
        uint64_t idle = 0;
        uint64_t first_accepted = 0;
        bool offered = false;      // an input is offered and not yet taken: it must stay
        bool held = false;         // the last cycle ended with a result that was not taken
        Payload shown, again;
        std::memset(&shown, 0, sizeof shown);
        std::memset(&again, 0, sizeof again);
        // Some cycles after the last result show whether there comes one too many.
        const uint64_t margin = latency_ + interval_ + wait_ + 8;
        uint64_t after = margin;
        while (stats.accepted < count || stats.produced < results || after > 0) {
            const bool more = stats.accepted < count;
            if (!more && stats.produced == results) --after;
            if (!offered) {
                offered = more && !gaps.pause();
                // Between beats the ports carry another beat's bits, which must not matter.
                const uint64_t beat = offered ? stats.accepted : (stats.accepted + 1) % count;
                if (offered || stalled) drive(inputs, beat);
            }
            top_.in_valid_i = offered;
            const bool ready = !stalls.pause();
            if (stalled) {
                top_.out_ready_i = !ready;
                low();
                const bool valid = top_.out_valid_o;
                if (valid) collect(again);
                top_.out_ready_i = ready;
                low();
                if (valid != static_cast<bool>(top_.out_valid_o)) return fail(stats, kValidWaits);
                if (held && !valid) return fail(stats, kDropped);
                if (valid) {
                    if (held && std::memcmp(&shown, &again, sizeof shown) != 0) {
                        return fail(stats, kUnstable);
                    }
                    collect(shown);
                    if (std::memcmp(&shown, &again, sizeof shown) != 0) {
                        return fail(stats, kValidWaits);
                    }
                }
                held = valid && !ready;
            } else {
                top_.out_ready_i = 1;
                low();
            }
            ++idle;
            // Every produced result needs an input accepted in an earlier cycle, or in this one.
            const bool taken = offered && top_.in_ready_o;
            if (top_.out_valid_o && ready) {
                const bool passes_through = latency_ == 0 && taken;
                if (stats.produced == results ||
                    stats.produced == stats.accepted + passes_through) {
                    return fail(stats, kExtra);
                }
                if (stats.produced == 0) stats.first_result_cycle = stats.cycles - first_accepted;
                store(outputs, stats.produced++);
                idle = 0;
            }
            if (taken) {
                if (stats.accepted++ == first_beat) first_accepted = stats.cycles;
                offered = false;
                idle = 0;
            }
            high();
            ++stats.cycles;
            if (idle > patience) return fail(stats, kHang);
        }
        stats.cycles -= margin;
        if (!stalled && stats.cycles > count * (interval_ + wait_) + latency_) fail(stats, kSlow);
    }

  private:
    // A localparam of the block, or `otherwise` if it has none of that name.
    uint64_t read(const char* name, uint64_t otherwise) const {
        const VerilatedScope* scope = context_.scopeFind("TOP." PLENA_MODULE);
        const VerilatedVar* variable = scope ? scope->varFind(name) : nullptr;
        return variable ? *static_cast<const uint32_t*>(variable->datap()) : otherwise;
    }

    void reset(Stats& stats) {
        top_.in_valid_i = 0;
        top_.out_ready_i = 0;
        top_.rst_ni = 1;
        low();
        top_.rst_ni = 0;
        for (int i = 0; i < 2; ++i) {
            low();
            high();
            if (top_.out_valid_o) fail(stats, kValidInReset);
        }
        low();
        top_.rst_ni = 1;
        low();
    }

    void low() {
        top_.clk_i = 0;
        eval();
    }

    void high() {
        top_.clk_i = 1;
        eval();
    }

    void eval() {
        top_.eval();
#if VM_TRACE
        if (vcd_) vcd_->dump(time_);
        time_ += 5;
#endif
    }

    void drive(const void* const* inputs, uint64_t beat) {
#define PLENA_DRIVE(index, port, lanes, bits, type) \
    pack<lanes, bits>(top_.port, static_cast<const type*>(inputs[index]) + beat * lanes);
        PLENA_INPUTS(PLENA_DRIVE)
#undef PLENA_DRIVE
    }

    void collect(Payload& payload) {
#define PLENA_COLLECT(index, port, lanes, bits, type) unpack<lanes, bits>(top_.port, payload.port);
        PLENA_OUTPUTS(PLENA_COLLECT)
#undef PLENA_COLLECT
    }

    void store(void* const* outputs, uint64_t beat) {
#define PLENA_STORE(index, port, lanes, bits, type) \
    unpack<lanes, bits>(top_.port, static_cast<type*>(outputs[index]) + beat * lanes);
        PLENA_OUTPUTS(PLENA_STORE)
#undef PLENA_STORE
    }

    static void fail(Stats& stats, Fault fault) {
        if (stats.fault != kNone) return;
        stats.fault = fault;
        stats.fault_beat = stats.produced;
    }

    const char* const record_path_;
    VerilatedContext context_;
    Vtop top_;
    const uint64_t latency_;
    const uint64_t interval_;
    const uint64_t wait_;  // cycles that a beat may wait for those before it
    uint64_t time_ = 0;
#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> vcd_;
#endif
};

}  // namespace

extern "C" uint64_t plena_latency() { return Player(nullptr).latency(); }

extern "C" void plena_run(const char* record_path, const void* const* inputs, void* const* outputs,
                          uint64_t count, uint64_t results, uint64_t first_beat,
                          const Stalls* how, Stats* stats) {
    Player player(record_path);
    if (count == 0) {
        *stats = Stats{};
        return;
    }
    player.run(inputs, outputs, count, results, first_beat, *how, *stats);
}
