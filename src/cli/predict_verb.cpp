#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "base/error.h"
#include "base/text.h"
#include "cli/verbs.h"
#include "data/image_paths.h"
#include "eval/accuracy.h"
#include "eval/classify.h"
#include "network/weights.h"

namespace dng::cli {
namespace {

// Writes answers to the standard output.
class Answers {
 public:
  enum class Form { kClasses, kPathAndClasses, kJson };

  Answers(Form form, int top, const std::vector<std::string>& names) : form_(form), top_(top), names_(names) {}

  void write(const eval::Answer& answer) {
    if (answer.probabilities == nullptr) ++failed_;
    ++answers_;
    const std::string text = form_ == Form::kJson ? json_line(answer) : lines(answer);
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (form_ != Form::kJson && answer.probabilities == nullptr) show_error(answer.error.c_str());
  }

  // The exit code.
  int finish() const {
    if (failed_ > 0 && form_ == Form::kJson) {
      show_error(format("%d of %d images were not classified; their lines have the errors", failed_, answers_).c_str());
    }
    return failed_ == 0 ? 0 : 1;
  }

 private:
  std::string lines(const eval::Answer& answer) const {
    std::string text = form_ == Form::kPathAndClasses ? answer.path + "\n" : "";
    if (answer.probabilities == nullptr) return text;
    for (const int c : eval::top_classes(answer.probabilities, static_cast<int>(names_.size()), top_)) {
      text += format("%5.2f%%: %s\n", 100 * answer.probabilities[c], names_[static_cast<size_t>(c)].c_str());
    }
    return text;
  }

  std::string json_line(const eval::Answer& answer) const {
    Json json = Json::object().set("file", Json::string(answer.path));
    if (answer.probabilities == nullptr) {
      json.set("error", Json::string(answer.error));
    } else {
      const std::vector<int> top = eval::top_classes(answer.probabilities, static_cast<int>(names_.size()), top_);
      std::vector<double> probability;
      for (const int c : top) probability.push_back(answer.probabilities[c]);
      json.set("class", Json::integer(top[0]))
          .set("name", Json::string(names_[static_cast<size_t>(top[0])]))
          .set("probability", Json::number(probability[0]))
          .set("top", eval::classes_json(top, probability, names_));
    }
    return json.line() + "\n";
  }

  const Form form_;
  const int top_;
  const std::vector<std::string>& names_;
  int answers_ = 0, failed_ = 0;
};

// As in Darknet: paths from the keyboard or a pipe, one a line, each answered before the next is read.
void hold_session(const Evaluation& e, Answers* answers) {
  const bool terminal = isatty(STDIN_FILENO) != 0;
  for (std::string line;;) {
    if (terminal) {
      std::printf("Enter Image Path: ");
      std::fflush(stdout);
    }
    if (!std::getline(std::cin, line)) break;
    line = trim(line);
    if (line.empty()) continue;
    eval::classify(e.network.get(), {line}, 1, "", [&](const eval::Answer& answer) { answers->write(answer); });
    std::fflush(stdout);
  }
}

}  // namespace

int predict_verb(const Arguments& arguments) {
  using Form = Answers::Form;
  const Words words(arguments.positional().begin() + 3, arguments.positional().end());
  const std::vector<std::string> paths = data::image_paths(words);
  EvaluationNeeds needs;
  needs.images = false;
  needs.count = std::max<int64_t>(1, static_cast<int64_t>(paths.size()));
  const Evaluation e = open_evaluation(arguments, needs);
  network::load_weights(arguments.positional()[2], e.network.get());
  e.network->freeze();
  const int top = std::min(e.network->classes(), static_cast<int>(arguments.integer("-t", e.data.top, 1, 1 << 20)));
  // Whose answer it is goes without saying where one image was named, or typed.
  const bool unnamed = words.empty() ? isatty(STDIN_FILENO) != 0 : paths == words && paths.size() == 1;
  Answers answers(arguments.has("-json") ? Form::kJson
                  : unnamed              ? Form::kClasses
                                         : Form::kPathAndClasses,
                  top, e.data.display_names);
  if (words.empty()) {
    hold_session(e, &answers);
  } else {
    // On a terminal the answers themselves show the progress.
    const std::string label = isatty(STDOUT_FILENO) != 0 ? "" : "predict";
    const int threads = static_cast<int>(std::min<size_t>(static_cast<size_t>(e.threads), paths.size()));
    eval::classify(e.network.get(), paths, threads, label, [&](const eval::Answer& answer) { answers.write(answer); });
  }
  return answers.finish();
}

}  // namespace dng::cli
