// The sources of all kernels in one piece: for nvcc, which takes longer to read its headers than for all of them
// together, and for the emulated GPU of the tests.
#pragma once

#include "gpu/operations.cu"
#include "layers/activation_layer.cu"
#include "layers/avgpool_layer.cu"
#include "layers/batchnorm_layer.cu"
#include "layers/confidence_penalty_layer.cu"
#include "layers/connected_layer.cu"
#include "layers/convolutional_layer.cu"
#include "layers/device_kernels.cu"
#include "layers/distill_layer.cu"
#include "layers/dropout_layer.cu"
#include "layers/label_smoothing_layer.cu"
#include "layers/local_avgpool_layer.cu"
#include "layers/maxpool_layer.cu"
#include "layers/route_layer.cu"
#include "layers/shortcut_layer.cu"
#include "layers/softmax_layer.cu"
#include "layers/tsd_layer.cu"
