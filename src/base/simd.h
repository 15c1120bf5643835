// Code for the instruction sets that matter, picked when the program runs: the packages stay portable, and plain loops
// still run at the width of the machine.
#pragma once

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
// #pragma GCC target may be used, for what is called on such a processor alone.
#define DNG_SIMD_TARGETS
#endif

// Compiles a function several times and picks one at load. Off under sanitizers, whose start comes after the pick.
#if defined(DNG_SIMD_TARGETS) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define DNG_SIMD_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DNG_SIMD_CLONES
#endif

// For loops that are included once for each instruction set: what they call must become part of them.
#define DNG_INLINE inline __attribute__((always_inline))
#define DNG_INLINE_LAMBDA __attribute__((always_inline))
