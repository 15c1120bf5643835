// Code for several instruction sets, selected at run time: packages stay portable, and loops use the processor's full
// vector width.
#pragma once

// Older Clangs than 16 do not parse the pragma below; their clang-tidy reads the code without vectors.
#if defined(__GNUC__) && defined(__x86_64__) && (!defined(__clang__) || __clang_major__ >= 16)
// DNG_TARGET_PUSH and DNG_TARGET_POP may be used, for what is called on such a processor alone.
#define DNG_SIMD_TARGETS
#define DNG_PRAGMA(text) _Pragma(#text)
#ifdef __clang__
// Clang would halve vectors of 512 bits.
#define DNG_TARGET_PUSH(arch) \
  DNG_PRAGMA(clang attribute push(__attribute__((target(arch), min_vector_width(512))), apply_to = function))
#define DNG_TARGET_POP DNG_PRAGMA(clang attribute pop)
// Before version 18, Clang takes x86-64-v3 for a vendor in clones.
#define DNG_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define DNG_TARGET_PUSH(arch) DNG_PRAGMA(GCC push_options) DNG_PRAGMA(GCC target(arch))
#define DNG_TARGET_POP DNG_PRAGMA(GCC pop_options)
#define DNG_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define DNG_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DNG_SANITIZED
#endif

// Compiles a function for each instruction set and selects one at load. Off under sanitizers, which start later.
#if defined(DNG_SIMD_TARGETS) && !defined(DNG_SANITIZED)
#define DNG_SIMD_CLONES DNG_CLONES
#else
#define DNG_SIMD_CLONES
#endif

// For loops that are included once for each instruction set: what they call must become part of them.
#define DNG_INLINE inline __attribute__((always_inline))
#define DNG_INLINE_LAMBDA __attribute__((always_inline))
