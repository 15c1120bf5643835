#include "base/error.h"
#include "cli/verbs.h"
#include "train/trainer.h"

namespace dng::cli {

int train_verb(const Arguments& arguments) {
  train::TrainSettings settings;
  settings.gpu = open_device(arguments);
  settings.data = arguments.positional()[0];
  settings.cfg = arguments.positional()[1];
  if (arguments.positional().size() > 2) settings.weights = arguments.positional()[2];
  settings.clear = arguments.has("-clear");
  settings.reading = reading_of(arguments);
  settings.seed = seed_of(arguments);
  settings.threads = threads_of(arguments);
  settings.resume = arguments.has("-resume");
  settings.restart = arguments.has("-restart");
  if (settings.resume && settings.restart) fail_usage("-resume and -restart exclude each other; keep one");
  settings.profile = arguments.text("-profile", "");
  settings.state_seconds = arguments.real("-state_seconds", 30, 0, 1e9);
  settings.verbose = arguments.has("-v");
  return train::train(settings);
}

}  // namespace dng::cli
