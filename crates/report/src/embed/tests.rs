//! Maps against oracles: components by power iteration, neighbours by sorting, clusters that must stay apart.

use super::*;
use reclra_compute::rng::Key;

fn matrix(cols: usize, values: &[f64]) -> Matrix {
    Matrix { cols, values: values.iter().map(|&v| v as f32).collect() }
}

/// Gaussian clouds `apart` from each other along every axis, sample by sample in turn, and the cloud of each.
fn clouds(samples: usize, cols: usize, clouds: usize, apart: f64) -> (Matrix, Vec<u32>) {
    let labels: Vec<u32> = (0..samples).map(|i| (i % clouds) as u32).collect();
    let mut values = Key::new(5).normal(samples * cols, 1.0);
    for (row, &label) in values.chunks_exact_mut(cols).zip(&labels) {
        row.iter_mut().for_each(|v| *v += apart * f64::from(label));
    }
    (matrix(cols, &values), labels)
}

/// The first two components by power iteration on the covariance, the first taken out for the second.
fn oracle(z: &Matrix) -> [Vec<f64>; 2] {
    let (n, d) = (z.rows(), z.cols);
    let mean = |c: usize| (0..n).map(|r| f64::from(z.row(r)[c])).sum::<f64>() / n as f64;
    let means: Vec<f64> = (0..d).map(mean).collect();
    let x = |r: usize, c: usize| f64::from(z.row(r)[c]) - means[c];
    let mut cov: Vec<Vec<f64>> =
        (0..d).map(|a| (0..d).map(|b| (0..n).map(|r| x(r, a) * x(r, b)).sum()).collect()).collect();
    [(), ()].map(|()| {
        let mut v = vec![1.0; d];
        let mut value = 0.0;
        for _ in 0..5000 {
            let w: Vec<f64> = cov.iter().map(|row| row.iter().zip(&v).map(|(a, b)| a * b).sum()).collect();
            value = w.iter().map(|a| a * a).sum::<f64>().sqrt();
            v = w.iter().map(|a| a / value).collect();
        }
        for a in 0..d {
            for b in 0..d {
                cov[a][b] -= value * v[a] * v[b];
            }
        }
        (0..n).map(|r| (0..d).map(|c| x(r, c) * v[c]).sum()).collect()
    })
}

#[test]
fn components_are_those_of_the_covariance() {
    // More rows than columns, then fewer: both ways to the same components. Columns of unlike spread part the eigenvalues.
    for (n, d) in [(40, 6), (12, 30)] {
        let spread = |i: usize| 1.0 + 3.0 / (1.0 + (i % d) as f64);
        let values: Vec<f64> =
            Key::new(1).normal(n * d, 1.0).iter().enumerate().map(|(i, v)| 2.0 + v * spread(i)).collect();
        let z = matrix(d, &values);
        let found = pca(&z).unwrap();
        for (axis, wanted) in oracle(&z).iter().enumerate() {
            let got: Vec<f64> = (0..n).map(|r| f64::from(found.scores.row(r)[axis])).collect();
            let sign = (got.iter().zip(wanted).map(|(a, b)| a * b).sum::<f64>()).signum();
            let off = got.iter().zip(wanted).map(|(a, b)| (a - sign * b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-4, "{n}x{d}, component {axis}: {off}");
            let largest = got.iter().copied().fold(0.0_f64, |a, v| if v.abs() > a.abs() { v } else { a });
            assert!(largest > 0.0, "the sign is fixed");
            let total: f64 =
                (0..d).map(|c| variance(&(0..n).map(|r| f64::from(z.row(r)[c])).collect::<Vec<_>>())).sum();
            assert!((found.explained[axis] - variance(&got) / total).abs() < 1e-5);
        }
    }
}

fn variance(v: &[f64]) -> f64 {
    let mean = v.iter().sum::<f64>() / v.len() as f64;
    v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64
}

#[test]
fn a_layer_that_says_nothing_is_mapped_all_the_same() {
    for z in
        [Matrix { cols: 3, values: vec![0.5; 90] }, Matrix { cols: 1, values: (0..30).map(|i| i as f32).collect() }]
    {
        let flat = pca(&z).unwrap();
        assert!(flat.scores.values.iter().all(|v| v.is_finite()) && flat.explained[1] == 0.0);
        for method in [Method::Pca, Method::Tsne { perplexity: 5.0, iterations: 60, seed: 0 }] {
            let map = map(&z, &[0; 30], method, 1, &mut |_| {}).unwrap();
            assert!(map.points.values.iter().all(|v| v.is_finite()), "{method:?}");
            assert_eq!((map.map_error, map.layer_error), (0.0, 0.0));
        }
    }
}

#[test]
fn neighbours_are_the_nearest_in_order() {
    // 19 columns: two whole vectors and a rest.
    let z = matrix(19, &Key::new(2).normal(19 * 60, 1.0));
    let near = nearest(&z, 7, 1).unwrap();
    assert_eq!(near, nearest(&z, 7, 3).unwrap());
    for (i, row) in near.iter().enumerate() {
        let distance = |j: usize| {
            let squares = z.row(i).iter().zip(z.row(j)).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let mut all: Vec<usize> = (0..60).filter(|&j| j != i).collect();
        all.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        assert_eq!(row.iter().map(|n| n.0 as usize).collect::<Vec<_>>(), all[..7], "row {i}");
        assert!(row.iter().all(|&(j, d)| (f64::from(d) - distance(j as usize)).abs() < 1e-5));
    }
    // Fewer rows than neighbours; equals by number.
    let same = nearest(&Matrix { cols: 2, values: vec![1.0; 8] }, 7, 2).unwrap();
    assert_eq!(same[1], [(0, 0.0), (2, 0.0), (3, 0.0)]);
}

#[test]
fn the_majority_of_neighbours_decides() {
    let near = |rows: &[&[u32]]| -> Neighbours { rows.iter().map(|r| r.iter().map(|&j| (j, 1.0)).collect()).collect() };
    // Labels of the samples 0 to 5. Sample 0 asks 1, 2, 3: two of its class. Sample 1 asks 3, 4, 5: class 1, wrong.
    let labels = [0, 0, 0, 1, 1, 1];
    let rows: &[&[u32]] = &[&[3, 1, 2], &[3, 4, 5], &[1, 3], &[1, 4], &[3, 5, 0, 1, 2, 3], &[4]];
    // Sample 2: a tie, the nearest says 0, right; sample 3: a tie, the nearest says 0, wrong. Sample 4: five of six are
    // asked, three say 0: wrong. Sample 5: right.
    assert_eq!(neighbour_error(&near(rows), &labels), 3.0 / 6.0);
}

#[test]
fn tsne_keeps_clusters_apart_and_is_the_same_twice() {
    let (z, labels) = clouds(120, 8, 2, 6.0);
    let method = Method::Tsne { perplexity: 15.0, iterations: 500, seed: 3 };
    let mut told = Vec::new();
    let first = map(&z, &labels, method, 1, &mut |done| told.push(done)).unwrap();
    assert_eq!(told, (1..=500).collect::<Vec<_>>());
    assert_eq!((first.map_error, first.layer_error), (0.0, 0.0));
    // Apart: the centres are farther from each other than any sample from its own.
    let centre = |label: u32| -> [f64; 2] {
        let own: Vec<usize> = (0..120).filter(|&i| labels[i] == label).collect();
        [0, 1].map(|a| own.iter().map(|&i| f64::from(first.points.row(i)[a])).sum::<f64>() / own.len() as f64)
    };
    let far = |a: [f64; 2], b: [f64; 2]| ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt();
    let centres = [centre(0), centre(1)];
    let reach = (0..120).map(|i| {
        let p = first.points.row(i);
        far([f64::from(p[0]), f64::from(p[1])], centres[labels[i] as usize])
    });
    assert!(far(centres[0], centres[1]) > reach.fold(0.0, f64::max));
    let again = map(&z, &labels, method, 3, &mut |_| {}).unwrap();
    assert_eq!(first, again, "the same bits, for another number of threads too");
    let other = Method::Tsne { perplexity: 15.0, iterations: 500, seed: 4 };
    assert_ne!(first.points, map(&z, &labels, other, 1, &mut |_| {}).unwrap().points);
}

#[test]
fn what_makes_no_map_is_refused() {
    let tsne = |perplexity| Method::Tsne { perplexity, iterations: 50, seed: 0 };
    let said = |method: Method, samples| method.check(samples).unwrap_err().to_string();
    assert_eq!(said(tsne(30.0), 90), "--perplexity 30: 90 samples allow 1 to 29.6; lower it or take more samples");
    assert!(tsne(30.0).check(91).is_ok());
    for bad in [0.0, -1.0, 0.99, f64::NAN, f64::INFINITY] {
        assert!(said(tsne(bad), 1000).contains("--perplexity"), "{bad}");
    }
    assert!(said(Method::Pca, 9).contains("too few"));
    assert!(said(Method::Pca, MOST + 1).contains("too many"));
    let z = Matrix { cols: 1, values: vec![0.0; 9] };
    assert!(map(&z, &[0; 9], Method::Pca, 1, &mut |_| {}).is_err());
}

#[test]
fn layers_have_names() {
    let graph = Graph::mlp(&[4, 3, 3, 2], reclra::Phi::Tanh, None).unwrap();
    let of = |name: &str| layer(&graph, name).unwrap();
    assert_eq!(["in", "b1", "b2", "top", "out"].map(of), [0, 1, 2, 2, 3]);
    let error = layer(&graph, "b9").unwrap_err().to_string();
    assert!(error.starts_with("--layer: unknown region `b9`, did you mean `b"), "{error}");
    let flat = Graph::mlp(&[4, 2], reclra::Phi::Tanh, None).unwrap();
    assert!(layer(&flat, "top").unwrap_err().to_string().contains("no hidden region"));
}

/// Panels of the same clouds, named so that every format has something to escape.
fn panels(count: usize) -> (Vec<Panel>, Vec<String>) {
    let (z, labels) = clouds(60, 4, 3, 5.0);
    let map = map(&z, &labels, Method::Pca, 1, &mut |_| {}).unwrap();
    let panel = |n: usize| Panel {
        run: format!("runs/<{n}>, \"a\" & b\u{1}"),
        layer: "b1".into(),
        method: Method::Pca,
        samples: (100..160).collect(),
        labels: labels.clone(),
        map: map.clone(),
    };
    ((0..count).map(panel).collect(), ["zero", "one, or two", "three"].map(String::from).to_vec())
}

#[test]
fn a_table_has_a_line_for_every_sample_of_every_run() {
    let (panels, classes) = panels(2);
    let csv = store::csv(&panels, &classes);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines[0], lines.len()), ("run,sample,label,class,x,y", 121));
    for (n, panel) in panels.iter().enumerate() {
        for i in 0..60 {
            let class = if i % 3 == 1 { "\"one, or two\"" } else { classes[i % 3].as_str() };
            let start = format!("\"runs/<{n}>, \"\"a\"\" & b\u{1}\",{},{},{class},", 100 + i, i % 3);
            let rest =
                lines[1 + 60 * n + i].strip_prefix(&start).unwrap_or_else(|| panic!("{}", lines[1 + 60 * n + i]));
            let point: Vec<f32> = rest.split(',').map(|v| v.parse().unwrap()).collect();
            assert_eq!(point, panel.map.points.row(i), "coordinates read back to the bit");
        }
    }
}

#[test]
fn pictures_show_every_point_in_its_colour() {
    let (panels, classes) = panels(2);
    let dir = tempfile::tempdir().unwrap();
    let files = write(dir.path(), &panels, &classes).unwrap();
    let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["embed.csv", "embed.svg", "embed.png"]);
    let svg = std::fs::read_to_string(&files[1]).unwrap();
    // Points, and one circle a class in the legend.
    assert_eq!(svg.matches("<circle").count(), 2 * 60 + 3);
    assert!(svg.contains("&lt;1&gt;") && !svg.contains('\u{1}'), "names are escaped");
    let png = image::load_from_memory(&std::fs::read(&files[2]).unwrap()).unwrap().to_rgb8();
    // Each class's colour in the legend, at full strength, and letters: dark pixels in title and legend without any font of
    // the machine.
    for colour in [[63, 144, 218], [255, 169, 14], [189, 31, 1]] {
        assert!(png.pixels().filter(|p| p.0 == colour).count() > 20, "{colour:?}");
    }
    let dark = |x: std::ops::Range<u32>, y: std::ops::Range<u32>| {
        y.flat_map(|y| x.clone().map(move |x| (x, y)))
            .filter(|&(x, y)| png.get_pixel(x, y).0.iter().all(|&v| v < 90))
            .count()
    };
    let (width, _) = png.dimensions();
    assert!(dark(20..620, 0..60) > 100 && dark(640..1240, 0..60) > 100, "titles");
    assert!(dark(width - 100..width, 60..160) > 60, "the legend");
}

#[test]
fn any_number_of_runs_and_classes_is_drawn() {
    let (mut all, _) = panels(5);
    let classes: Vec<String> = (0..100).map(|c| format!("class {c}")).collect();
    all[0].run = "a/very/long/path/".repeat(30);
    all[1].labels = (0..60).collect();
    assert!(draw::svg(&all, &classes).unwrap().contains("class 99"));
    let (pixels, (width, height)) = draw::pixels(&all, &classes).unwrap();
    assert_eq!(pixels.len(), (3 * width * height) as usize);
}
