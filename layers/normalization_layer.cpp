// [normalization]: local response normalisation over channels (AlexNet), by Darknet's kernel; alias [lrn]. Shapes are
// kept.
#include "base/error.h"
#include "layers/ops.h"

namespace dng::layers {

graph::Op normalization_op() {
  return graph::Op("normalization", graph::Op::Kind::kLayer, "local response normalisation")
      .alias("lrn")
      .option(cfg::real_option("alpha", "0.0001", 0, 1e6, "factor on the sum of squares"))
      .option(cfg::real_option("beta", "0.75", 0, 1e3, "exponent"))
      .option(cfg::real_option("kappa", "1", 0, 1e6, "added to the sum"))
      .option(cfg::integer_option("size", "5", 1, 1 << 16, "channels summed over"))
      .checked([](const graph::LayerConfig& layer, const graph::ShapeContext&) {
        // Darknet's kernel would read past its buffer.
        const int size = layer.options.integer("size");
        if (size / 2 >= layer.in.channels) {
          fail("%s: half of it must be less than the %d channels of the input; make it smaller",
               layer.options.where("size").c_str(), layer.in.channels);
        }
      });
}

}  // namespace dng::layers
