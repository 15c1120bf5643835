// Measures of a network's outputs beyond accuracy: secondary information, distances between classes, calibration.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "eval/accuracy.h"

namespace dng::eval {

// f is the output of one image, f_(r) its r-th largest entry, y its label, S(c) the superclass of class c.
struct Inspection {
  Accuracy accuracy;                 // means leave out the images whose outputs are not finite
  double mean_primary = 0;           // mean of f_(1)
  double mean_rank_2_k = 0;          // mean of the mean of f_(2)..f_(k)
  std::vector<double> mean_by_rank;  // mean of f_(1)..f_(k)
  double mean_true = 0;              // mean of f_y
  double entropy = 0;                // mean of -sum f log f, in nats
  // With mu_c the mean output over the images of class c: mean Euclidean distance between mu of classes in different
  // superclasses, and of the same one. NaN without superclasses. Not the paper's
  // Dist^C and Dist^S, whose formulas are not public.
  double dist_between = 0, dist_within = 0;
  double dist_all = 0;  // mean distance between mu of any two classes
  // Share of the probability outside the primary class that stays inside S(y), over all images. NaN without
  // superclasses.
  double inside_superclass = 0;
  // Expected calibration error over 15 equal bins of f_(1) (Guo et al., 2017), and the bins themselves.
  double calibration_error = 0;
  struct Bin {
    int64_t images = 0;
    double confidence = 0, accuracy = 0;  // means
  };
  std::vector<Bin> bins;
  // Share of the images whose top class is the teacher's, too, and the mean of KL[f_T || f] in nats, both outputs at
  // temperature 1 and in double precision from the logits. NaN without a teacher.
  double teacher_agreement = std::nan(""), teacher_kl = std::nan("");
  // Images whose teacher's outputs are not finite, which both leave out, and the first one's name.
  int64_t teacher_not_finite = 0;
  std::string teacher_first_not_finite;
};

struct InspectSettings {
  std::vector<int> superclass_of;  // may be empty
  int k = 5;
  int threads = 1;
  network::Network* teacher = nullptr;  // of the same input, classes and batch; or null
  BatchSink sink = nullptr;             // called for every batch, too
};
Inspection inspect(network::Network* network, const data::Dataset& data, const InspectSettings& settings);

}  // namespace dng::eval
