#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/verbs.h"
#include "layers/costs/cost_op.h"
#include "layers/registry.h"

namespace dng::cli {
namespace {

struct Sample {
  int label = 0;
  std::vector<double> logits, teacher;
};

double number(const std::string& path, int line, const std::string& field, size_t column) {
  double value = 0;
  if (!parse_real(field, &value)) {
    fail("%s:%d: column %zu: found %s, allowed is a finite number", path.c_str(), line, column + 1,
         quoted(field).c_str());
  }
  return value;
}

// label,z_0,...,z_{C-1}, followed by the teacher's C probabilities where the cost has one.
std::vector<Sample> read_samples(const std::string& path, bool teacher) {
  std::vector<Sample> samples;
  int line = 0;
  size_t columns = 0;
  for (const std::string& text : split(read_file(path, "the file of logits"), '\n')) {
    ++line;
    if (text.empty()) continue;
    const std::vector<std::string> fields = split(text, ',');
    if (columns == 0) {
      columns = fields.size();
      const size_t numbers = columns - 1;
      if (columns < 3 || (teacher && (numbers % 2 != 0 || numbers < 4))) {
        fail("%s:%d: found %zu columns, allowed are label,z_0,...,z_{C-1}%s with at least 2 classes", path.c_str(),
             line, columns, teacher ? " and the teacher's C probabilities" : "");
      }
    }
    if (fields.size() != columns) {
      fail("%s:%d: found %zu columns, the first line has %zu; every line needs as many", path.c_str(), line,
           fields.size(), columns);
    }
    const size_t classes = teacher ? (columns - 1) / 2 : columns - 1;
    Sample sample;
    int64_t label = 0;
    if (!parse_integer(fields[0], &label) || label < 0 || label >= static_cast<int64_t>(classes)) {
      fail("%s:%d: column 1: found %s, allowed is a label from 0 to %zu", path.c_str(), line, quoted(fields[0]).c_str(),
           classes - 1);
    }
    sample.label = static_cast<int>(label);
    for (size_t j = 0; j < classes; ++j) sample.logits.push_back(number(path, line, fields[1 + j], 1 + j));
    if (teacher) {
      double sum = 0;
      for (size_t j = 0; j < classes; ++j) {
        sample.teacher.push_back(number(path, line, fields[1 + classes + j], 1 + classes + j));
        if (sample.teacher.back() < 0) {
          fail("%s:%d: column %zu: found %s, a probability is not negative", path.c_str(), line, 2 + classes + j,
               quoted(fields[1 + classes + j]).c_str());
        }
        sum += sample.teacher.back();
      }
      if (std::fabs(sum - 1) > 1e-3) {
        fail("%s:%d: the teacher's probabilities sum to %g; they must sum to 1", path.c_str(), line, sum);
      }
    }
    samples.push_back(std::move(sample));
  }
  if (samples.empty()) fail("%s: the file has no samples; write one a line: label,z_0,...,z_{C-1}", path.c_str());
  return samples;
}

// The cost as a cfg would make it, for logits of `classes` numbers.
graph::LayerConfig cost_layer(const graph::Op& op, const Words& options, int classes) {
  cfg::CfgSection section{op.section, 0, {}};
  for (const std::string& word : options) {
    const size_t equals = word.find('=');
    section.entries.push_back({trim(word.substr(0, equals)), trim(word.substr(equals + 1)), 0});
  }
  for (size_t i = 0; i < section.entries.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (section.entries[i].key == section.entries[j].key) {
        fail_usage("%s= is given twice; keep one", section.entries[i].key.c_str());
      }
    }
  }
  graph::LayerConfig layer;
  layer.op = &op;
  layer.options = cfg::Options("command line", section, op.options, op.refused);
  const std::vector<graph::LayerConfig> none;
  const graph::ShapeContext context{none, {classes, 1, 1}, 1};
  layer.in = {classes, 1, 1};
  op.shape(&layer, context);
  if (op.check) op.check(layer, context);
  return layer;
}

}  // namespace

int layer_verb(const Arguments& arguments) {
  const Words& words = arguments.positional();
  const graph::Op* op = graph::find_op(layers::all_ops(), words[0]);
  std::vector<std::string> costs;
  for (const graph::Op& other : layers::all_ops()) {
    if (other.kind == graph::Op::Kind::kCost) costs.push_back(other.section);
  }
  if (op == nullptr || op->kind != graph::Op::Kind::kCost) {
    fail_usage("unknown cost %s%s; known are %s", quoted(words[0]).c_str(), did_you_mean(words[0], costs).c_str(),
               join(costs, ", ").c_str());
  }
  Words options, files;
  for (size_t i = 1; i < words.size(); ++i) {
    (words[i].find('=') != std::string::npos && !file_exists(words[i]) ? options : files).push_back(words[i]);
  }
  if (files.size() != 1) {
    fail_usage("found %zu files, needed is one file of logits; usage: %s", files.size(), arguments.usage().c_str());
  }
  try {
    const bool teacher = op->section == "distill";
    const std::vector<Sample> samples = read_samples(files[0], teacher);
    const int classes = static_cast<int>(samples[0].logits.size());
    const std::unique_ptr<math::Cost> cost = op->cost(cost_layer(*op, options, classes));
    std::vector<double> log_f(static_cast<size_t>(classes)), f(log_f.size()), gradient(log_f.size());
    for (const Sample& sample : samples) {
      math::log_softmax(classes, sample.logits.data(), log_f.data(), f.data());
      const math::CostRow row{classes,  sample.logits.data(), log_f.data(),
                              f.data(), sample.label,         teacher ? sample.teacher.data() : nullptr};
      // After the warm-up, where a cost has one.
      std::printf("%.9g", cost->evaluate(row, 1e30, gradient.data()));
      for (const double g : gradient) std::printf(",%.9g", g);
      std::printf("\n");
    }
  } catch (const Error& error) {
    // A wrong option on the command line is a usage error.
    const bool usage_error = starts_with(error.what(), "command line");
    throw Error(error.what(), usage_error ? ExitCode::kUsage : error.code());
  }
  return 0;
}

}  // namespace dng::cli
