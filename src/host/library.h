// Darknet's library, loaded when it is first needed: evaluations do without it, and the packaged one brings a hundred
// others along.
#pragma once

namespace dng::host {

// A function or variable that the library exports; null: none. Throws Error where the library cannot be loaded.
void* find_symbol(const char* name);
// Throws Error where there is none.
void* symbol(const char* name);

// What darknet.h declares.
#define DARKNET(name) (*reinterpret_cast<decltype(&name)>(::dng::host::symbol(#name)))

}  // namespace dng::host
