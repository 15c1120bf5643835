#include "train/targets.h"

#include <omp.h>

#include "base/error.h"
#include "cli/verbs.h"
#include "layers/registry.h"
#include "train/schedule.h"

namespace dng::cli {

int targets_verb(const Arguments& arguments) {
  const std::shared_ptr<gpu::Gpu> gpu = open_device(arguments);
  if (!arguments.has("-out")) fail_usage("-out is missing: name the file that the targets are written to");
  const std::string path = arguments.text("-out", "");
  const uint64_t seed = seed_of(arguments);
  const int threads = threads_of(arguments);
  omp_set_num_threads(threads);
  const data::DataFile data = data::read_data_file(arguments.positional()[0]);
  const graph::NetworkConfig student = layers::read_network_config(arguments.positional()[1], reading_of(arguments));
  student.translations.show();
  const cfg::Options& o = student.cost().options;
  if (student.cost().op->section != "distill") {
    fail("%s: the last section is [%s]; targets are for a student, which ends with [distill]", o.where().c_str(),
         student.cost().op->section.c_str());
  }
  o.require("teacher", "name the cfg of the teacher");
  o.require("teacher_weights", "name the weights of the teacher");
  student.require_classes(data.classes, data.path);
  student.require_image_channels();
  const auto images = data::open_training_set(data, seed);
  const train::Schedule schedule(student.net, images->size(), student.batch);
  if (schedule.endless()) {
    fail("%s: targets have an end; say how long to train: max_batches= or epochs=", student.net.where().c_str());
  }
  train::LiveTeacher teacher(o, student, gpu);
  train::write_targets(path, train::teacher_hash(o.text("teacher"), o.text("teacher_weights")),
                       schedule.iterations() * student.batch, student, *images, seed, threads, &teacher);
  std::printf("saved %s\n", path.c_str());
  return 0;
}

}  // namespace dng::cli
