{
  "targets": [
    {
      "target_name": "rainbow",
      "type": "none",
      "conditions": [
        [
          "OS=='linux'",
          {
            "type": "loadable_module",
            "sources": [
              "core/block-hash.cc",
              "core/dirents.cc",
              "core/inotify-events.cc",
              "core/listing.cc",
              "core/probe.cc",
              "core/xattr-pack.cc",
              "core/xxh3.cc",
              "os/attributes.cc",
              "os/chunks.cc",
              "os/files.cc",
              "os/listing.cc",
              "os/names.cc",
              "os/path-at.cc",
              "os/peer.cc",
              "os/ranges.cc",
              "os/sha256.cc",
              "os/small-files.cc",
              "os/stat.cc",
              "os/watch.cc",
              "os/xattrs.cc",
              "os/zstd.cc",
              "binding/addon.cc",
              "binding/arguments.cc",
              "binding/content-calls.cc",
              "binding/file-calls.cc",
              "binding/listing-calls.cc",
              "binding/name-calls.cc",
              "binding/watcher.cc",
              "binding/xxh3-calls.cc",
              "binding/zstd-calls.cc",
            ],
            "include_dirs": [".", "<!(node -p \"require('node-addon-api').include_dir\")"],
            "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "_FILE_OFFSET_BITS=64"],
            "cflags_cc": ["-std=c++17", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
          },
        ]
      ],
    }
  ]
}
