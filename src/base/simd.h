// Code for the instruction sets that matter, picked at load or at run: the packages stay portable, and plain loops still
// run at the width of the machine. Off under sanitizers, whose start comes after the pick, and with other compilers.
#pragma once

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
// For whole files and namespaces: #pragma GCC target may be used.
#define DNG_SIMD_TARGETS
// Compiles a function several times.
#define DNG_SIMD_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DNG_SIMD_CLONES
#endif
