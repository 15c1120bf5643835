// dropblock=1 of [dropout] (AlexeyAB's, whose CPU ignores it): at most one square of b x b pixels in each channel is
// set to zero. Both p and b grow:
//   k = progress / 0.85, at most 1, with progress the share of the training that is done
//   p = probability k;   b = floor(size k), from 1 to the shorter side of the image
//   every pixel draws u; of those with u < p / b^2, the one with the least u is the square's place
//   values outside of the squares are scaled by 1 / (share of the image outside of them)
// Source: Ghiasi, Lin, Le, DropBlock, NeurIPS 2018; the fork's form of it.
#pragma once

#include "base/random.h"
#include "data/image.h"

namespace dng::layers {

// The squares of an image in one pass.
struct DropBlocks {
  data::Geometry shape;
  int side;          // of a square
  double threshold;  // u below it drops

  // `size`: of a square at the end of the training.
  DNG_HOST_DEVICE DropBlocks(const data::Geometry& image, double probability, double size, double progress)
      : shape(image) {
    const double k = progress < 0.85 ? progress / 0.85 : 1;
    const int shorter = shape.height < shape.width ? shape.height : shape.width;
    side = static_cast<int>(size * k);
    side = side < 1 ? 1 : side > shorter ? shorter : side;
    threshold = probability * k / (side * side);
  }

  // The pixel of the square's upper left corner in the channel whose numbers `random` draws next; -1: no square.
  DNG_HOST_DEVICE int corner(CounterRandom* random) const {
    double least = threshold;
    int pixel = -1;
    for (int i = 0; i < shape.height * shape.width; ++i) {
      const double u = random->uniform();
      if (u >= least) continue;
      pixel = i;
      least = u;
    }
    if (pixel < 0) return pixel;
    return start(pixel / shape.width, shape.height - side) * shape.width +
           start(pixel % shape.width, shape.width - side);
  }

  // Whether a pixel lies in the square that starts at `corner`.
  DNG_HOST_DEVICE bool drops(int corner, int pixel) const {
    if (corner < 0) return false;
    const int down = pixel / shape.width - corner / shape.width, right = pixel % shape.width - corner % shape.width;
    return down >= 0 && down < side && right >= 0 && right < side;
  }

  // What the values outside of `squares` squares are multiplied by.
  DNG_HOST_DEVICE float scale(int squares) const {
    const double rest = 1 - static_cast<double>(squares) / shape.channels * side / shape.height * side / shape.width;
    return rest > 0 ? static_cast<float>(1 / rest) : 0.0f;
  }

 private:
  // A square that would leave the image starts earlier.
  DNG_HOST_DEVICE static int start(int at, int room) {
    if (at <= room) return at;
    return at - room < room ? at - room : room;
  }
};

}  // namespace dng::layers
