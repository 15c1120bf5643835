// Darknet's verbs: ours, the host's own (handed to its binary), and everything else refused.
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/progress.h"
#include "base/text.h"
#include "cli/verbs.h"
#include "host/host.h"

namespace dng {
namespace {

using Verb = int (*)(const Words&);

const std::map<std::string, Verb>& classifier_verbs() {
  static const std::map<std::string, Verb> verbs = {
      {"train", train_verb},     {"valid", valid_verb},     {"predict", predict_verb},  {"ensemble", ensemble_verb},
      {"targets", targets_verb}, {"inspect", inspect_verb}, {"features", features_verb}};
  return verbs;
}

const char* const kUsage =
    "darknet classifier train    DATA CFG [WEIGHTS] [-clear] [-seed N] [-threads N] [-nogpu | -gpus N] "
    "[-resume] [-state_seconds N] [-profile FILE]\n"
    "darknet classifier valid    DATA CFG WEIGHTS [-json FILE]\n"
    "darknet classifier predict  DATA CFG WEIGHTS [IMAGE] [-t N]\n"
    "darknet classifier ensemble DATA CFG WEIGHTS WEIGHTS... [-json FILE]\n"
    "darknet classifier targets  DATA STUDENT_CFG -out FILE [-seed N]\n"
    "darknet classifier inspect  DATA CFG WEIGHTS [-json FILE] [-set valid|train] [-teacher WEIGHTS] "
    "[-examples DIR [-count N]]\n"
    "darknet classifier features DATA CFG WEIGHTS -out FILE [-layer N] [-set valid|train]\n"
    "darknet layer NAME [option=value]... FILE.csv\n"
    "darknet options [CFG]\n"
    "-v shows the host's layer table. Other verbs are handed to the host's own darknet.\n";

bool contains(const std::vector<std::string>& list, const std::string& word) {
  for (const std::string& item : list) {
    if (item == word) return true;
  }
  return false;
}

int hand_to_host(char** argv) {
  const std::string& binary = host::traits().binary;
  execv(binary.c_str(), argv);
  fail("%s: the host's own program cannot be started: %s; '%s' is its verb: install %s, or build with DARKNET_ROOT=DIR",
       binary.c_str(), std::strerror(errno), argv[1], host::traits().name);
}

int classifier(const Words& words, char** argv) {
  std::vector<std::string> names = host::traits().classifier_verbs;
  if (words.empty()) {
    for (const auto& entry : classifier_verbs()) names.push_back(entry.first);
    fail_usage("the verb behind 'classifier' is missing; known are %s", join(names, ", ").c_str());
  }
  const auto ours = classifier_verbs().find(words[0]);
  if (ours != classifier_verbs().end()) {
    catch_interrupts();
    host::check_abi();
    return ours->second(Words(words.begin() + 1, words.end()));
  }
  if (contains(names, words[0])) return hand_to_host(argv);
  for (const auto& entry : classifier_verbs()) names.push_back(entry.first);
  fail_usage("unknown verb 'classifier %s'%s; known are %s", words[0].c_str(), did_you_mean(words[0], names).c_str(),
             join(names, ", ").c_str());
}

int run(int argc, char** argv) {
  const Words words(argv + 1, argv + argc);
  if (words.empty()) fail_usage("the verb is missing; 'darknet help' lists them");
  if (words[0] == "-h" || words[0] == "-help" || words[0] == "--help" || words[0] == "help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  const Words rest(words.begin() + 1, words.end());
  if (words[0] == "classifier") return classifier(rest, argv);
  if (words[0] == "layer") return layer_verb(rest);
  if (words[0] == "options") return options_verb(rest);
  if (contains(host::traits().verbs, words[0])) return hand_to_host(argv);
  std::vector<std::string> names = host::traits().verbs;
  names.insert(names.end(), {"classifier", "layer", "options"});
  fail_usage("unknown verb %s%s; 'darknet help' lists ours", quoted(words[0]).c_str(),
             did_you_mean(words[0], names).c_str());
}

}  // namespace
}  // namespace dng

// OpenMP's threads spin while they wait, and on a busy machine that starves the ones that work. Its runtime reads the
// policy when it is loaded, so the program starts itself once more with it set.
static void wait_without_spinning(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  // Some microseconds of spinning: the gaps between parallel loops, not the length of a time slice.
  setenv("GOMP_SPINCOUNT", "5000", 1);
  execv("/proc/self/exe", argv);
}

int main(int argc, char** argv) {
  wait_without_spinning(argv);
  // A full disk or a file size limit shall be an error of write(), not the end of the process.
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGPIPE, SIG_DFL);
  // A log that is followed must not lag behind in a buffer.
  setvbuf(stdout, nullptr, _IOLBF, 0);
  try {
    const int code = dng::run(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      dng::fail("standard output could not be written; free some space, or send it elsewhere");
    }
    return code;
  } catch (const dng::Interrupted& stopped) {
    dng::show_error(stopped.what());
    return 128 + stopped.signal();
  } catch (const dng::Error& error) {
    std::fflush(stdout);
    dng::show_error(error.what());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "darknet: out of memory; use a smaller batch, more subdivisions, or a smaller network\n");
    return 1;
  } catch (const std::exception& error) {
    dng::show_error(error.what());
    return 1;
  }
}
