// Loops over a row of values, 16 lanes wide, for the layers between the convolutions. Constants come as 16 lanes: one
// channel's value in all of them (plain layout), or those of a block's channels, over and over. See cpu/layout.h.
//
// Sums run in 16 float lanes over one row only; rows are added in double by the caller, in a fixed order, so that
// results do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <vector>

#include "cpu/layout.h"
#include "cpu/shards.h"
#include "math/activation.h"

namespace dng::cpu {

// acc[l] += x over the lane.
void row_sum(const float* x, size_t n, float* acc);
// acc[l] += (x - mean)^2.
void row_squares(const float* x, size_t n, const float* mean, float* acc);
// y = f((x - mean) * factor + shift); x may be y.
void row_affine(const float* x, size_t n, const float* mean, const float* factor, const float* shift,
                math::Activation activation, float* y);
// delta *= f'(x), from the output y, or from y = x where math::gradient_reads_input().
void row_activation_gradient(const float* y, size_t n, math::Activation activation, float* delta);
// sum[l] += delta, product[l] += delta * (x - mean).
void row_gradient_sums(const float* delta, const float* x, size_t n, const float* mean, float* sum, float* product);
// The same, where f((x - mean) * factor + shift) lies between: delta *= f' first. Only where
// row_sums_with_activation().
void row_activation_gradient_sums(float* delta, const float* x, size_t n, const float* mean, const float* factor,
                                  const float* shift, math::Activation activation, float* sum, float* product);
bool row_sums_with_activation(math::Activation activation);
// y = delta * direct + (x - mean) * slope + constant; y may be delta.
void row_normalise_gradient(const float* delta, const float* x, size_t n, const float* mean, const float* direct,
                            const float* slope, const float* constant, float* y);
// y += the same.
void row_add_normalised_gradient(const float* delta, const float* x, size_t n, const float* mean, const float* direct,
                                 const float* slope, const float* constant, float* y);
// x = f(x).
void row_activation(float* x, size_t n, math::Activation activation);
// y = f(a + b); y may be a or b.
void row_add(const float* a, const float* b, size_t n, math::Activation activation, float* y);
// to += from.
void row_accumulate(const float* from, size_t n, float* to);

// The lane sums of a row as sums of its channels.
void spread_lanes(const float* acc, const Rows& rows, double* sums);
// [image][channel] sums added over the images of each shard, in their order, for the channels from `first` on:
// [shard][channel].
std::vector<double> sum_over_images(const std::vector<double>& numbers, const Shards& shards, int channels, int first);

}  // namespace dng::cpu
