// The .data file: Darknet's keys, read strictly.
#pragma once

#include <string>
#include <vector>

namespace dng::data {

// Keys as Darknet names them; paths are relative to the working directory, as in Darknet.
struct DataFile {
  std::string path;
  int classes = 0;
  std::string train;  // packed set or list of image files; empty where the file has none
  std::string valid;
  std::string labels;        // file with one label a line: what is looked for in image paths
  std::string names;         // file with one display name a line (default: the labels)
  std::string backup;        // folder for weights, state and log; empty where the file has none
  std::string superclasses;  // file with one superclass index a line, in class order; or empty
  int train_per_class = 0;   // train on the first N images of each class only; 0: on all
  // Validate on the last N images of each class of `train`, which are not trained on; `valid` is `train` then.
  int held_out_per_class = 0;
  // Validate after every so many epochs, and after the last one.
  int valid_every = 1;
  // The share of the training images whose label is replaced by another class (data/wrong_labels.h).
  double label_noise = 0;
  std::vector<float> class_weights;  // of the cost in training (data/class_weights.h); empty: all 1
  int top = 5;                       // k of the top-k accuracy, at most `classes`

  std::vector<std::string> label_names;    // contents of `labels`; empty where there is none
  std::vector<std::string> display_names;  // contents of `names`, else label_names, else "class 0", "class 1", ...
  std::vector<int> superclass_of;          // contents of `superclasses`; empty where there is none
};

// Throws Error (one line: file, line, key, found, allowed) for unknown, duplicate or malformed keys, `classes` below 2
// or missing, and label, name or superclass files that cannot be read or have another number of lines than `classes`.
DataFile read_data_file(const std::string& path);

}  // namespace dng::data
