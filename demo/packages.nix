# What the builders of the demo build: derivations that need a shell and nothing else, so that no Nixpkgs is needed.
let
  make =
    name: script:
    derivation {
      inherit name;
      system = builtins.currentSystem;
      builder = "/bin/sh";
      args = [
        "-euc"
        script
      ];
      PATH = "/usr/bin:/bin:/run/current-system/sw/bin";
    };
in
rec {
  # A dependency, which everyone builds alike.
  words = make "words-1.0" ''
    mkdir -p $out/share
    echo "Hello! Three builders made me, each on its own." >$out/share/greeting
  '';

  # The program that people want.
  hello = make "hello-1.0" ''
    mkdir -p $out/bin
    {
      echo '#!/bin/sh'
      echo 'while read -r line; do echo "$line"; done <${words}/share/greeting'
    } >$out/bin/hello
    chmod +x $out/bin/hello
  '';

  # Not reproducible, and nobody's fault: it writes down when it was built. That the fraction of the second ends with the
  # number of the process makes it another one for each of those who share this machine.
  clock = make "clock-1.0" ''
    read -r uptime idle </proc/uptime
    date -u "+built %Y-%m-%dT%H:%M:%S.''${uptime##*.}$$Z" >$out
  '';

  # A new release, made while a builder is down.
  hello2 = make "hello-2.0" ''
    mkdir -p $out/bin
    {
      echo '#!/bin/sh'
      echo 'echo "Hello again! You built me yourself."'
    } >$out/bin/hello
    chmod +x $out/bin/hello
  '';
}
