// The program's own verbs run here; Darknet's are passed to its program; everything else is refused.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>  // program_invocation_short_name
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/group.h"
#include "base/progress.h"
#include "base/text.h"
#include "cli/verbs.h"
#include "host/host.h"

namespace dng::cli {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool asks_for_help(const std::string& word) { return word == "-h" || word == "-help" || word == "--help"; }

// The usage of a verb; of all whose name begins with "classifier"; "": of all.
int help(const std::string& name) {
  for (const Verb& verb : all_verbs()) {
    if (starts_with(verb.name + " ", name)) std::printf("%s\n", verb.usage().c_str());
  }
  if (name.empty()) {
    const char* program = program_invocation_short_name;
    const char* run =
        "chain run EXPERIMENT [--out DIR] [--set section.key=value] [--darknet FILE] "
        "[--jobs N | --gpus LIST | --slurm OPTIONS] [--no-estimate] [--no-figures] [-v]";
    for (const char* line : {run, "chain compare DIR... [--out DIR] [--no-figures]", "chain report DIR [--no-figures]",
                             "chain status DIR [--follow]", "chain stop DIR", "chain step DIR STEP [--darknet FILE]",
                             "chain stock CFG", "--version"}) {
      std::printf("%s %s\n", program, line);
    }
    std::printf("-v shows Darknet's layer table. All other verbs are passed to Darknet's own program.\n");
  }
  return 0;
}

int run_verb(const Verb& verb, const Words& words) {
  for (const std::string& word : words) {
    if (asks_for_help(word)) return help(verb.name + " ");
  }
  return verb.run(Arguments(words, verb.synopsis, verb.usage()));
}

const Verb* find_verb(const std::string& name) {
  for (const Verb& verb : all_verbs()) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

int classifier(const Words& words, char** argv) {
  const std::string prefix = "classifier ";
  std::vector<std::string> names = host::traits().classifier_verbs;
  for (const Verb& verb : all_verbs()) {
    if (starts_with(verb.name, prefix)) names.push_back(verb.name.substr(prefix.size()));
  }
  if (words.empty()) {
    fail_usage("the verb behind 'classifier' is missing; known are %s", join(names, ", ").c_str());
  }
  if (asks_for_help(words[0])) return help(prefix);
  if (const Verb* verb = find_verb(prefix + words[0])) {
    if (verb->run != train_verb && launched_processes() > 1) {
      fail_usage("'%s' runs in one process; start it without mpirun", verb->name.c_str());
    }
    catch_interrupts();
    return run_verb(*verb, Words(words.begin() + 1, words.end()));
  }
  if (contains(names, words[0])) return run_darknet(argv);
  fail_usage("unknown verb 'classifier %s'%s; known are %s", words[0].c_str(), did_you_mean(words[0], names).c_str(),
             join(names, ", ").c_str());
}

int run(int argc, char** argv) {
  const Words words(argv + 1, argv + argc);
  if (words.empty()) fail_usage("the verb is missing; 'darknet help' lists them");
  if (asks_for_help(words[0]) || words[0] == "help") return help("");
  if (words[0] == "--version") {
    std::fputs(version_text().c_str(), stdout);
    return 0;
  }
  const Words rest(words.begin() + 1, words.end());
  if (words[0] == "classifier") return classifier(rest, argv);
  if (words[0] == "chain") return chain(rest);
  if (const Verb* verb = find_verb(words[0])) return run_verb(*verb, rest);
  if (contains(host::traits().verbs, words[0])) return run_darknet(argv);
  std::vector<std::string> names = host::traits().verbs;
  names.insert(names.end(), {"classifier", "layer", "options", "chain"});
  fail_usage("unknown verb %s%s; 'darknet help' lists the verbs", quoted(words[0]).c_str(),
             did_you_mean(words[0], names).c_str());
}

}  // namespace
}  // namespace dng::cli

// OpenMP's threads spin while they wait, which starves working threads on a busy machine: without this a step of
// ResNet-20 on two threads beside other jobs took 1.4 times as long (ratio of the medians of seven interleaved runs).
// libgomp reads the policy before any code of the program can set it, so the program restarts itself. Not for predict,
// whose threads are no OpenMP threads: the restart would double the time that the libraries take to load.
static void wait_without_spinning(int argc, char** argv) {
  if (argc < 3 || std::strcmp(argv[1], "classifier") != 0 || std::strcmp(argv[2], "predict") == 0) return;
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  // Microseconds of spinning: enough for the gaps between parallel loops, far less than a time slice.
  setenv("GOMP_SPINCOUNT", "5000", 1);
  execv("/proc/self/exe", argv);
}

int main(int argc, char** argv) {
  wait_without_spinning(argc, argv);
  // A file size limit becomes an error of write() instead of ending the process.
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGPIPE, SIG_DFL);
  // A log is followed line by line.
  setvbuf(stdout, nullptr, _IOLBF, 0);
  try {
    const int code = dng::cli::run(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      dng::fail("standard output could not be written; free some space, or send it elsewhere");
    }
    return code;
  } catch (const dng::Interrupted& stopped) {
    dng::show_error(stopped.what());
    return 128 + stopped.signal();
  } catch (const dng::Error& error) {
    std::fflush(stdout);
    dng::show_error(error);
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "darknet: out of memory; use a smaller batch, more subdivisions, or a smaller network\n");
    return 1;
  } catch (const std::exception& error) {
    dng::show_error(error.what());
    return 1;
  }
}
