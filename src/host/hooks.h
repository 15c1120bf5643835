// What the two Darknets do differently. network.cpp has what they share; packaged.cpp or alexeyab.cpp has these.
#pragma once

#include <darknet.h>
#undef SECRET_NUM

#include <string>

#include "host/host.h"

namespace dng::host {

// Before Darknet parses its first cfg.
void prepare_to_parse();
// Allocates what Darknet's parser leaves out and its kernels use.
void complete(network* net);
// Frees all of a network, also what Darknet's own function leaves behind.
void destroy(network* net);
// Darknet's kernels as they are.
void raw_forward(network* net, int index, const float* input, bool training);
void raw_backward(network* net, int index, const float* input, float* input_delta);
void raw_update(const layer& l, int batch, float rate, float momentum, float decay);
void raw_save(network* net, char* path);
void raw_load(network* net, char* path);
image raw_crop(image source, int width, int height);

network* parse(const std::string& cfg, bool verbose, const char* doing);

}  // namespace dng::host
