#include <cmath>
#include <cstdio>
#include <numeric>

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

// One line of the file. Errors name it.
class LineReader {
 public:
  LineReader(const std::string& path, int line, std::vector<std::string> fields)
      : path_(path), line_(line), fields_(std::move(fields)) {}

  // label,z_0,...,z_{C-1}, followed by the teacher's C probabilities where the cost has one.
  Sample read(size_t columns, bool teacher) const {
    if (fields_.size() != columns) {
      fail("%s:%d: found %zu columns, the first line has %zu; every line needs as many", path_.c_str(), line_,
           fields_.size(), columns);
    }
    const size_t classes = teacher ? (columns - 1) / 2 : columns - 1;
    int64_t label = 0;
    if (!parse_integer(fields_[0], &label) || label < 0 || label >= static_cast<int64_t>(classes)) {
      fail("%s:%d: column 1: found %s, allowed is a label from 0 to %zu", path_.c_str(), line_,
           quoted(fields_[0]).c_str(), classes - 1);
    }
    Sample sample;
    sample.label = static_cast<int>(label);
    for (size_t j = 1; j <= classes; ++j) sample.logits.push_back(number(j));
    for (size_t j = 1 + classes; teacher && j < columns; ++j) sample.teacher.push_back(probability(j));
    const double sum = std::accumulate(sample.teacher.begin(), sample.teacher.end(), 0.0);
    if (teacher && std::fabs(sum - 1) > 1e-3) {
      fail("%s:%d: the teacher's probabilities sum to %g; they must sum to 1", path_.c_str(), line_, sum);
    }
    return sample;
  }

 private:
  double number(size_t column) const {
    double value = 0;
    if (!parse_real(fields_[column], &value)) {
      fail("%s:%d: column %zu: found %s, allowed is a finite number", path_.c_str(), line_, column + 1,
           quoted(fields_[column]).c_str());
    }
    return value;
  }

  double probability(size_t column) const {
    const double value = number(column);
    if (value < 0) {
      fail("%s:%d: column %zu: found %s, a probability is not negative", path_.c_str(), line_, column + 1,
           quoted(fields_[column]).c_str());
    }
    return value;
  }

  const std::string& path_;
  int line_;
  std::vector<std::string> fields_;
};

std::vector<Sample> read_samples(const std::string& path, bool teacher) {
  std::vector<Sample> samples;
  int line = 0;
  size_t columns = 0;
  for (const std::string& text : split(without_byte_order_mark(read_file(path, "the file of logits")), '\n')) {
    ++line;
    if (text.empty()) continue;
    const std::vector<std::string> fields = split(text, ',');
    if (columns == 0) {
      columns = fields.size();
      if (columns < 3 || (teacher && (columns % 2 == 0 || columns < 5))) {
        fail("%s:%d: found %zu columns, allowed are label,z_0,...,z_{C-1}%s with at least 2 classes", path.c_str(),
             line, columns, teacher ? " and the teacher's C probabilities" : "");
      }
    }
    samples.push_back(LineReader(path, line, fields).read(columns, teacher));
  }
  if (samples.empty()) fail("%s: the file has no samples; write one a line: label,z_0,...,z_{C-1}", path.c_str());
  return samples;
}

cfg::Options cost_options(const graph::Op& op, const Words& options) {
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
  return {"command line", section, op.options, op.refused};
}

// The cost as a cfg would create it, for `classes` logits.
graph::LayerConfig cost_layer(const graph::Op& op, const cfg::Options& options, int classes) {
  graph::LayerConfig layer;
  layer.op = &op;
  layer.options = options;
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
    const cfg::Options checked = cost_options(*op, options);  // before the file: a mistyped option is the first error
    const bool teacher = op->section == "distill";
    std::vector<Sample> samples = read_samples(files[0], teacher);
    const int classes = static_cast<int>(samples[0].logits.size());
    const graph::LayerConfig layer = cost_layer(*op, checked, classes);
    const std::unique_ptr<math::Cost> cost = op->cost(layer);
    const double temperature = layers::logit_temperature(layer);
    std::vector<double> log_f(static_cast<size_t>(classes)), f(log_f.size()), gradient(log_f.size());
    for (Sample& sample : samples) {
      for (double& z : sample.logits) z /= temperature;
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
    Error again(error.what(), usage_error ? ExitCode::kUsage : error.code());
    again.others = error.others;
    throw again;
  }
  return 0;
}

}  // namespace dng::cli
