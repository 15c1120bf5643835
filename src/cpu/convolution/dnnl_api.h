// oneDNN 2.6 to 3.x through one interface; the only place that asks for the version. Version 2 wraps what describes an
// operation in an object, `Primitive::desc`; version 3 passes it to the primitive descriptor.
#pragma once

#include <dnnl.hpp>

namespace dng::cpu {

// The descriptor of a forward primitive. `operation`: what oneDNN 3 expects between engine and attributes.
template <class Primitive, class... Operation>
typename Primitive::primitive_desc describe(const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
                                            const Operation&... operation) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, operation..., attributes};
#else
  return {typename Primitive::desc(operation...), attributes, engine};
#endif
}

// The descriptor of a backward primitive, for the forward primitive that `forward` describes.
template <class Primitive, class Forward, class... Operation>
typename Primitive::primitive_desc describe_backward(const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
                                                     const Forward& forward, const Operation&... operation) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, operation..., forward, attributes};
#else
  return {typename Primitive::desc(operation...), attributes, engine, forward};
#endif
}

inline void append_relu(dnnl::post_ops* post_ops) {
#if DNNL_VERSION_MAJOR >= 3
  post_ops->append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
#else
  post_ops->append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
#endif
}

// Batch norm of tensors `data`, whose result and gradients have the same layout.
inline dnnl::batch_normalization_forward::primitive_desc describe_batch_norm(const dnnl::engine& engine,
                                                                             dnnl::prop_kind kind,
                                                                             const dnnl::memory::desc& data,
                                                                             float epsilon,
                                                                             dnnl::normalization_flags flags) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kind, data, data, epsilon, flags};
#else
  return {{kind, data, epsilon, flags}, engine};
#endif
}

inline dnnl::batch_normalization_backward::primitive_desc describe_batch_norm_backward(
    const dnnl::engine& engine, const dnnl::batch_normalization_forward::primitive_desc& forward,
    const dnnl::memory::desc& data, float epsilon, dnnl::normalization_flags flags) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, dnnl::prop_kind::backward, data, data, data, epsilon, flags, forward};
#else
  return {{dnnl::prop_kind::backward, data, data, epsilon, flags}, engine, forward};
#endif
}

// Whether the backward pass of batch norm is given its shift, as an argument that it does not read.
constexpr bool kBatchNormBackwardTakesShift = DNNL_VERSION_MAJOR < 3;

}  // namespace dng::cpu
