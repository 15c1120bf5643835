// The documentation against the program's own tables: layers/README.md for the sections of a cfg, docs/options.md for
// [net].
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "graph/network_config.h"
#include "layers/registry.h"
#include "tests/test_util.h"

namespace dng {
namespace {

// One row of an option table: what stands behind the option's name, and the other columns.
struct Row {
  std::string mark, fallback, allowed, meaning;
};
using Table = std::map<std::string, Row>;

std::string unticked(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c != '`') out += c;
  }
  return out;
}

// Option tables by section: rows `| option | default | allowed | meaning |` below the heading `## [section]`.
std::map<std::string, Table> tables_of(const std::string& name, int* duplicates) {
  std::map<std::string, Table> tables;
  std::istringstream file(read_file(test::source_path(name), "the documentation"));
  std::string line, section;
  *duplicates = 0;
  while (std::getline(file, line)) {
    if (starts_with(line, "#")) {
      const size_t open = line.find('['), close = line.find(']');
      section.clear();
      if (starts_with(line, "## ") && open != std::string::npos && close != std::string::npos) {
        section = line.substr(open + 1, close - open - 1);
        *duplicates += tables.count(section) == 0 ? 0 : 1;
        tables[section];
      }
    } else if (!section.empty() && starts_with(line, "| `")) {
      const std::vector<std::string> cells = split(line, '|');
      const size_t end = cells.size() > 1 ? cells[1].find('`', 1) : std::string::npos;
      if (cells.size() < 6 || end == std::string::npos) {
        ADD_FAILURE() << name << ": a row of [" << section << "] has not four columns: " << line;
        continue;
      }
      const bool fresh =
          tables[section]
              .insert({cells[1].substr(1, end - 1), {cells[1].substr(end + 1), cells[2], cells[3], cells[4]}})
              .second;
      *duplicates += fresh ? 0 : 1;
    }
  }
  return tables;
}

void expect_documented(const std::string& file, const std::string& section, const std::vector<cfg::OptionSpec>& specs,
                       const Table& table) {
  for (const cfg::OptionSpec& spec : specs) {
    const auto row = table.find(spec.name);
    if (row == table.end()) {
      ADD_FAILURE() << file << ": [" << section << "] has no row for `" << spec.name << "`";
      continue;
    }
    EXPECT_FALSE(row->second.allowed.empty()) << section << " " << spec.name;
    EXPECT_FALSE(row->second.meaning.empty()) << section << " " << spec.name;
    const std::string fallback = unticked(row->second.fallback);
    if (spec.fallback.empty()) {
      // It may say what stands in for it, e.g. "stride", but no number that the program does not know.
      EXPECT_FALSE(fallback.empty()) << section << " " << spec.name;
    } else {
      double wanted = 0, found = 0;
      const bool equal = parse_real(spec.fallback, &wanted) ? parse_real(fallback, &found) && found == wanted
                                                            : fallback == spec.fallback;
      EXPECT_TRUE(equal) << file << ": [" << section << "] " << spec.name << " defaults to " << spec.fallback
                         << ", not " << fallback;
    }
  }
}

std::set<std::string> names_of(const std::vector<cfg::OptionSpec>& specs) {
  std::set<std::string> names;
  for (const cfg::OptionSpec& spec : specs) names.insert(spec.name);
  return names;
}

// Options that only one of the hosts has stand in the documentation of both, marked with that host's name; "" for all
// others.
std::string host_of(const std::string& section, const std::string& option) {
  static const std::map<std::string, std::string> hosts = {{"shortcut.alpha", "packaged Darknet"},
                                                           {"shortcut.beta", "packaged Darknet"},
                                                           {"route.groups", "AlexeyAB's fork"},
                                                           {"route.group_id", "AlexeyAB's fork"}};
  const auto found = hosts.find(section + "." + option);
  return found == hosts.end() ? "" : found->second;
}

TEST(OptionsDoc, LayersNamesEverySectionAndOption) {
  int duplicates = 0;
  const std::map<std::string, Table> tables = tables_of("layers/README.md", &duplicates);
  EXPECT_EQ(duplicates, 0);
  for (const graph::Op& op : layers::all_ops()) {
    const auto table = tables.find(op.section);
    if (table == tables.end()) {
      ADD_FAILURE() << "layers/README.md has no heading ## [" << op.section << "]";
      continue;
    }
    expect_documented("layers/README.md", op.section, op.options, table->second);
  }
}

TEST(OptionsDoc, LayersNamesNothingThatDoesNotExist) {
  int duplicates = 0;
  size_t rows = 0;
  for (const auto& [section, table] : tables_of("layers/README.md", &duplicates)) {
    const graph::Op* op = graph::find_op(layers::all_ops(), section);
    ASSERT_NE(op, nullptr) << "[" << section << "]";
    EXPECT_EQ(op->section, section) << "an alias has no heading of its own";
    const std::set<std::string> names = names_of(op->options);
    for (const auto& [option, row] : table) {
      ++rows;
      const std::string host = host_of(section, option);
      EXPECT_EQ(trim(row.mark), host.empty() ? "" : "(" + host + ")") << "[" << section << "] " << option;
      if (!host.empty()) continue;
      EXPECT_EQ(names.count(option), 1U) << "layers/README.md: [" << section << "] has no option " << option;
    }
  }
  EXPECT_GT(rows, 60U);
}

TEST(OptionsDoc, AliasesAreNamed) {
  const std::string text = read_file(test::source_path("layers/README.md"), "the documentation");
  for (const graph::Op& op : layers::all_ops()) {
    for (const std::string& alias : op.aliases) {
      EXPECT_NE(text.find("`[" + alias + "]`"), std::string::npos) << "[" << alias << "] for [" << op.section << "]";
    }
  }
}

TEST(OptionsDoc, OptionsNamesEveryKeyOfNetAndNoOther) {
  int duplicates = 0;
  const std::map<std::string, Table> tables = tables_of("docs/options.md", &duplicates);
  EXPECT_EQ(duplicates, 0);
  const auto net = tables.find("net");
  ASSERT_NE(net, tables.end()) << "docs/options.md has no heading ## [net]";
  expect_documented("docs/options.md", "net", graph::net_options(), net->second);
  const std::set<std::string> names = names_of(graph::net_options());
  for (const auto& row : net->second) {
    EXPECT_EQ(names.count(row.first), 1U) << "docs/options.md: [net] has no key " << row.first;
  }
}

}  // namespace
}  // namespace dng
