#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "base/error.h"
#include "base/file.h"
#include "base/finite.h"
#include "base/text.h"
#include "cli/verbs.h"
#include "data/image_file.h"
#include "eval/accuracy.h"
#include "network/weights.h"

namespace dng::cli {
namespace {

void predict(const std::string& path, const Evaluation& e, int top) {
  data::Image image;
  data::decode_image_file(path, &image);
  const graph::NetworkConfig& config = e.network->config();
  std::vector<float> input(config.input.size() * static_cast<size_t>(e.network->batch()));
  data::prepare_for_evaluation(image, config.augmentation(), config.input, input.data());
  graph::Pass pass;
  pass.input = input.data();
  pass.count = 1;
  e.network->forward(&pass);
  const float* scores = e.network->probabilities();
  if (!all_finite(scores, static_cast<size_t>(e.network->classes()))) {
    fail("%s: the network's outputs are not finite; train with a lower learning_rate=, or use earlier weights",
         path.c_str());
  }
  for (const int c : eval::top_classes(scores, e.network->classes(), top)) {
    std::printf("%5.2f%%: %s\n", 100 * scores[c], e.data.display_names[static_cast<size_t>(c)].c_str());
  }
  std::fflush(stdout);
}

}  // namespace

int predict_verb(const Arguments& arguments) {
  const Evaluation e = open_evaluation(arguments, {/*images=*/false});
  network::load_weights(arguments.positional()[2], e.network.get());
  e.network->freeze();
  const int classes = e.network->classes();
  const int top = std::min(classes, static_cast<int>(arguments.integer("-t", e.data.top, 1, 1 << 20)));
  if (arguments.positional().size() == 4) {
    predict(arguments.positional()[3], e, top);
    return 0;
  }
  // As in Darknet: paths from the keyboard or a pipe, one a line; a bad one does not end the session.
  const bool terminal = isatty(STDIN_FILENO) != 0;
  int bad = 0;
  for (std::string line;;) {
    if (terminal) {
      std::printf("Enter Image Path: ");
      std::fflush(stdout);
    }
    if (!std::getline(std::cin, line)) break;
    line = trim(line);
    if (line.empty()) continue;
    try {
      if (!terminal) std::printf("%s\n", line.c_str());
      predict(line, e, top);
    } catch (const Error& error) {
      show_error(error.what());
      ++bad;
    }
  }
  return bad == 0 ? 0 : 1;
}

}  // namespace dng::cli
